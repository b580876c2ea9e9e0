// socket.hpp: a socket with a read buffer, and optionally a gathering write buffer.
//
// Two layers over one Descriptor. The plain operations (connect, accept, receive, send…) are one
// system call each, retried until it succeeds, or not retried at all with the deadline `immediate`.
// The stream operations (fill, write) move any amount. What was received and not consumed stays,
// whatever ends a wait: bytes leave only through consume(). Operations that wait suspend the
// calling fiber, are cancellation points, and may fail with ETIMEDOUT, ECANCELED, EINTR
// (interrupted) and EBADF (closed meanwhile) besides what their system call reports.
#pragma once

#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "runtime/address.hpp"
#include "runtime/buffer.hpp"
#include "runtime/descriptor.hpp"

namespace coir {

class Socket final : private Departure {
public:
    static constexpr std::size_t default_max_line = 1 << 20;
    static constexpr std::size_t gather_limit = 64 * 1024;

    explicit Socket(Scheduler& scheduler)
        : input_(scheduler.blocks()), descriptor_(scheduler), output_(scheduler.blocks()) {}
    ~Socket();

    // -- Life -------------------------------------------------------------------------------------

    Error open(int domain, int type, int protocol);  // socket(2)
    static Error open_pair(Socket& left, Socket& right, int domain, int type, int protocol);
    // Takes over an open descriptor, socket or not, and makes it non-blocking. `shared`: it may
    // have copies elsewhere. On failure it still belongs to the caller.
    Error adopt(int fd, bool shared);

    // Takes over a new, non-blocking socket of this kind.
    void take(int fd, int family, int type, int protocol);
    // Takes over what accept() of `listener` returned.
    void accepted(int fd, const Socket& listener) {
        take(fd, listener.family_, listener.type_, listener.protocol_);
        linger_ = listener.linger_;
    }

    bool is_open() const { return descriptor_.is_open(); }
    int fd() const { return descriptor_.fd(); }
    int family() const { return family_; }  // AF_*; AF_UNSPEC when it is no socket
    int type() const { return type_; }      // SOCK_*
    int protocol() const { return protocol_; }

    // SO_LINGER (socket(7)): on, how many seconds close() is to wait until the peer has
    // acknowledged everything, and with 0 the connection is reset; off, the kernel goes on sending
    // by itself.
    using Linger = struct ::linger;
    Error set_linger(const Linger& value);
    Result<Linger> linger() const;
    bool lingers() const { return linger_.l_onoff != 0 && linger_.l_linger != 0; }
    // The waiting that SO_LINGER asks for, before a close(). The kernel would stop the whole thread
    // for it. Suspends; a cancellation point. Errors: ECANCELED, EINTR, EBADF; never ETIMEDOUT.
    Error linger_out();

    // Sends what is gathered as far as the kernel takes it at once, then closes and wakes
    // everybody. Never waits.
    Error close();
    int detach();  // gives the descriptor away
    // Closes the socket if it is open, and drops what was received and all memory. No fiber uses it
    // any more.
    void abandon();
    // Whether a fiber is in the middle of reading or writing a stream.
    bool in_use() const { return reading_ || writing_; }
    Error shutdown(int how);
    Descriptor& descriptor() { return descriptor_; }

    // -- Plain operations -------------------------------------------------------------------------

    // With `immediate`, fails with EINPROGRESS when the connection is not there at once.
    Error connect(const Address& address, Deadline deadline = never);
    Error bind(const Address& address);
    Error listen(int backlog);
    // The new descriptor belongs to the caller.
    Result<int> accept(Address& from, Deadline deadline = never);
    Result<Address> name() const;
    Result<Address> peer() const;

    // One recv(2) into a place of the socket's own; `size` 0: a whole datagram, whatever its size.
    // The view stays what receive() returns until received() says that it was taken. `from`, if not
    // null, is set to the sender. Bypasses the read buffer.
    Result<std::string_view> receive(std::size_t size, int flags, Address* from, Deadline deadline);
    void received();

    // One send(2) or, with an address, sendto(2). Returns how much was taken.
    Result<std::size_t> send(std::string_view data, int flags, const Address* to,
                             Deadline deadline);

    // Sends a descriptor along with `data` (at least one byte) over a Unix socket.
    Error send_descriptor(int fd, std::string_view data, Deadline deadline);
    // Receives one, and the bytes it came with (through receive()'s place). -1: none came. The
    // descriptor is the socket's until received() hands both over.
    Result<int> receive_descriptor(std::string_view& data, Deadline deadline);

    // -- Streams ----------------------------------------------------------------------------------

    struct Request {
        std::size_t limit = SIZE_MAX;
        std::span<const std::string_view> delimiters;  // none of them empty
    };

    // Fills the read buffer until the request is met: `limit` bytes, or the delimiter that ends
    // first, or the end of the stream. Returns how many of the bytes in buffered() answer it; short
    // of that only at the end of the stream. Errors: EBUSY while another fiber is in here, EMSGSIZE
    // when a delimiter is not among the first max_line() bytes; with `immediate` EAGAIN when what
    // is there is not enough.
    Result<std::size_t> fill(const Request& request, Deadline deadline);

    // The same for whatever arrives first: at most `limit` bytes, 0 at the end of the stream.
    Result<std::size_t> fill_any(std::size_t limit, Deadline deadline);

    // For a fiber that needs no stack while it waits for input: whether fill() and fill_any() would
    // wait before anything else; the beginning of that wait, as Scheduler::rest() does it, during
    // which nobody else can read; and its end, which returns the errors of the wait. fill() is
    // called then.
    bool must_await_input() const {
        return !reading_ && input_.empty() && descriptor_.must_await_input();
    }
    Error rest(Deadline deadline);
    Error rested();

    std::string_view buffered() const { return input_.view(); }
    // What fill() answers for a line, when all of it is buffered; 0: it is not.
    std::size_t line_at_once() const {
        std::string_view bytes = buffered().substr(0, max_line_);
        std::size_t end = reading_ || bytes.empty() ? bytes.npos : bytes.find('\n');
        return end == bytes.npos ? 0 : end + 1;
    }
    // Takes `n` bytes from the front of it, if they are still there: close() drops them.
    void consume(std::size_t n) {
        n = std::min(n, input_.size());
        if (n == 0) return;
        input_.consume(n);
        input_.release_if_empty();
        searched_ = 0;
    }
    // Puts bytes in front of what is buffered. Errors: ENOMEM, EBUSY while a fiber is inside
    // fill().
    Error unread(std::string_view data);
    std::size_t max_line() const { return max_line_; }
    void set_max_line(std::size_t n) { max_line_ = n; }

    // Sends all pieces but the first `written` bytes, in order and undivided by other writers.
    // `written` says then how many bytes went before an error.
    Error write(std::span<const std::string_view> pieces, Deadline deadline, std::size_t& written);

    // Begins write() for one piece that is not empty, as far as it can be done at once: often all
    // of it. Never waits. Returns how much was taken.
    Result<std::size_t> write_at_once(std::string_view piece) {
        if (writing_ || output_error_) return 0;
        return gathers_ ? gather_at_once(piece) : send_at_once(piece);
    }

    // Gathered output: what is written is sent before the writing fiber is next left, at 64 KiB,
    // and by flush(). What the kernel does not take then is sent in the background; an error shows
    // in the next write() or flush().
    bool gathers() const { return gathers_; }
    void set_gathers(bool on) {
        if (!on) departing();
        gathers_ = on;
    }
    bool has_gathered() const {
        return (gathers_ || descriptor_.in_background()) && !output_.empty();
    }
    Error flush(Deadline deadline);

private:
    // receive()'s place, which few sockets have.
    struct Parcel {
        explicit Parcel(BlockPool& blocks) : data(blocks) {}
        Buffer data;
        Address from;
        int fd = -1;        // came along
        bool full = false;  // until received()
    };
    bool has_received() const { return parcel_ != nullptr && parcel_->full; }
    Result<std::span<char>> parcel_room(std::size_t size);

    void departing() override;
    void describe();
    // A short read from a TCP stream has emptied it, unless a hang-up or urgent data came along.
    // Other streams keep boundaries (descriptors, credentials) at which a read stops early.
    bool drains() const {
        bool tcp = type_ == SOCK_STREAM && (family_ == AF_INET || family_ == AF_INET6);
        return tcp && !descriptor_.hangup();
    }
    template <class Call>
    Error try_again(Deadline deadline, Call call);
    Result<std::size_t> fetch(std::size_t wanted, Deadline deadline);
    Result<std::size_t> fill_more(const Request& request, std::size_t searched, Deadline deadline);
    Error may_go_on(Deadline deadline);
    bool answered(const Request& request, std::size_t& searched, std::size_t& answer) const;
    std::size_t searched_before(const Request& request) const;
    void remember_search(const Request& request, std::size_t searched);
    Result<std::size_t> gather_at_once(std::string_view piece);
    Result<std::size_t> send_at_once(std::string_view piece);
    Error take_turn(Deadline deadline);
    void end_turn();
    Error send_pieces(std::span<const std::string_view> pieces, Deadline deadline,
                      std::size_t& written);
    Error gather(std::span<const std::string_view> pieces, Deadline deadline, std::size_t& written);
    Error send_gathered(Deadline deadline);
    Error send_along(int fd, std::string_view data, Deadline deadline);
    ssize_t receive_into_place(int fd, std::size_t size, int flags);
    ssize_t receive_message_into_place(int fd);
    void drop_descriptor();
    ssize_t room_for_whole(int fd) const;

    // What every request touches comes first, to lie in few cache lines.
    int family_ = AF_UNSPEC;
    int type_ = 0;
    bool reading_ = false;
    bool writing_ = false;
    bool gathers_ = false;
    Error output_error_;
    std::size_t searched_ = 0;
    Buffer input_;
    Descriptor descriptor_;
    Buffer output_;  // gathered and not yet sent
    WaitList turn_{"write turn"};

    int protocol_ = 0;
    bool has_accepted_ = false;  // so it listens
    Linger linger_{};
    std::unique_ptr<Parcel> parcel_;
    std::string searched_for_;  // the delimiters of a search that was given up, and how far it got
    std::size_t max_line_ = default_max_line;
};

}  // namespace coir
