// socket_stream.cpp: the stream operations of a socket, over its read and write buffers.
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <new>

#include "runtime/platform.hpp"
#include "runtime/socket.hpp"

namespace coir {

namespace {

constexpr std::size_t smallest_read = 16 * 1024;
constexpr std::size_t largest_read = 1024 * 1024;
constexpr std::size_t pieces_per_call = 64;

// A flag that says who is inside, for as long as the scope lasts.
class Claim {
public:
    explicit Claim(bool& flag) : flag_(flag) { flag_ = true; }
    ~Claim() { flag_ = false; }
    Claim(const Claim&) = delete;
    Claim& operator=(const Claim&) = delete;

private:
    bool& flag_;
};

std::size_t total_size(std::span<const std::string_view> pieces) {
    std::size_t total = 0;
    for (std::string_view piece : pieces) total += piece.size();
    return total;
}

ssize_t send_one(int fd, bool is_socket, std::string_view piece) {
    return is_socket ? ::send(fd, piece.data(), piece.size(), send_flags)
                     : ::write(fd, piece.data(), piece.size());
}

// One writev(2) of what lies behind the first `skip` bytes of `pieces`.
ssize_t send_some(int fd, bool is_socket, std::span<const std::string_view> pieces,
                  std::size_t skip) {
    std::array<iovec, pieces_per_call> parts;
    std::size_t count = 0;
    for (std::string_view piece : pieces) {
        if (count == parts.size()) break;
        std::size_t skipped = std::min(skip, piece.size());
        skip -= skipped;
        piece.remove_prefix(skipped);
        if (!piece.empty()) parts[count++] = {const_cast<char*>(piece.data()), piece.size()};
    }
    if (!is_socket) return ::writev(fd, parts.data(), static_cast<int>(count));
    if (count == 1) return ::send(fd, parts[0].iov_base, parts[0].iov_len, send_flags);
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = count;
    return ::sendmsg(fd, &message, send_flags);
}

}  // namespace

// -- Reading --------------------------------------------------------------------------------------

Result<std::size_t> Socket::fill(const Request& request, Deadline deadline) {
    if (Error error = descriptor_.scheduler().checkpoint()) return error;
    if (reading_) return std::errc::device_or_resource_busy;
    std::size_t searched = searched_ == 0 ? 0 : searched_before(request);
    std::size_t answer = 0;
    return answered(request, searched, answer) ? answer : fill_more(request, searched, deadline);
}

// The rest of fill(), once what is buffered does not answer the request.
Result<std::size_t> Socket::fill_more(const Request& request, std::size_t searched,
                                      Deadline deadline) {
    Claim claim(reading_);
    std::size_t answer = 0;
    for (;;) {
        Error error;
        if (!request.delimiters.empty() && searched >= max_line_) error = std::errc::message_size;
        Result<std::size_t> n = error ? error : fetch(request.limit - input_.size(), deadline);
        if (n && *n == 0) return input_.size();
        if (n && answered(request, searched, answer)) return answer;
        error = n ? may_go_on(deadline) : n.error();
        if (!error) continue;
        if (!request.delimiters.empty()) remember_search(request, searched);
        return error;
    }
}

// Between two system calls of one operation: a flood of data must neither hold the thread nor
// outlive the deadline.
Error Socket::may_go_on(Deadline deadline) {
    if (deadline == immediate) return std::errc::operation_would_block;
    if (deadline != never && Clock::now() >= deadline) return std::errc::timed_out;
    return descriptor_.scheduler().checkpoint();
}

Result<std::size_t> Socket::fill_any(std::size_t limit, Deadline deadline) {
    if (Error error = descriptor_.scheduler().checkpoint()) return error;
    if (reading_) return std::errc::device_or_resource_busy;
    if (input_.empty() && limit > 0) {
        Claim claim(reading_);
        Result<std::size_t> n = fetch(limit, deadline);
        if (!n) return n.error();
    }
    return std::min(limit, input_.size());
}

Error Socket::rest(Deadline deadline) {
    Error error = descriptor_.rest(deadline);
    if (!error) reading_ = true;
    return error;
}

Error Socket::rested() {
    reading_ = false;
    return descriptor_.scheduler().rested();
}

// Looks only at what has arrived since the last time.
inline bool Socket::answered(const Request& request, std::size_t& searched,
                             std::size_t& answer) const {
    std::size_t limit =
        request.delimiters.empty() ? request.limit : std::min(request.limit, max_line_);
    std::string_view window = input_.view().substr(0, limit);
    if (!request.delimiters.empty() && searched < window.size()) {
        answer = find_delimiter(window, request.delimiters, searched);
        if (answer != std::string_view::npos) return true;
        searched = window.size();
    }
    answer = request.limit;
    return window.size() == request.limit;
}

// Receives once into the read buffer, waiting until something arrives. 0: end of the stream. The
// buffer gets its memory only when there is something to put into it: an idle connection owns none.
Result<std::size_t> Socket::fetch(std::size_t wanted, Deadline deadline) {
    if (has_gathered()) departing();
    for (;;) {
        if (Error error = descriptor_.await(Direction::read, deadline)) return error;
        // The room grows with what arrives, not with what was asked for: most lines are short.
        std::size_t next = std::clamp(std::min(wanted, input_.size()), smallest_read, largest_read);
        Result<std::span<char>> room = input_.reserve(next);
        if (!room) return room.error();
        std::size_t most =
            std::min(room->size(), largest_read);  // a file would fill all of it at once
        ssize_t n =
            type_ == 0 ? ::read(fd(), room->data(), most) : ::recv(fd(), room->data(), most, 0);
        if (n >= 0) {
            auto count = static_cast<std::size_t>(n);
            input_.commit(count);
            if (count == 0) input_.release_if_empty();
            if (count < most && count > 0 && drains()) descriptor_.drained(Direction::read);
            return count;
        }
        Error error = last_errno();
        input_.release_if_empty();
        if (would_block(error)) {
            descriptor_.drained(Direction::read);
            if (deadline == immediate) return error;
        } else if (error != std::errc::interrupted) {
            return error;
        }
    }
}

Error Socket::unread(std::string_view data) {
    if (reading_) return std::errc::device_or_resource_busy;
    searched_ = 0;
    return input_.put_back(data);
}

// A search that timed out goes on where it stopped when the same delimiters are asked for again, so
// that a long line costs linear time however impatient its reader is.
std::size_t Socket::searched_before(const Request& request) const {
    if (request.delimiters.empty()) return 0;
    std::string_view left = searched_for_;
    for (std::string_view delimiter : request.delimiters) {
        std::size_t size = delimiter.size();
        std::string_view size_bytes(reinterpret_cast<const char*>(&size), sizeof size);
        if (!left.starts_with(size_bytes)) return 0;
        left.remove_prefix(sizeof size);
        if (!left.starts_with(delimiter)) return 0;
        left.remove_prefix(size);
    }
    return left.empty() ? searched_ : 0;
}

void Socket::remember_search(const Request& request, std::size_t searched) {
    try {
        searched_for_.clear();
        for (std::string_view delimiter : request.delimiters) {
            std::size_t size = delimiter.size();
            searched_for_.append(reinterpret_cast<const char*>(&size), sizeof size)
                .append(delimiter);
        }
        searched_ = searched;
    } catch (const std::bad_alloc&) {
        searched_ = 0;  // the next search starts anew: slower, not wrong
    }
}

// -- Writing --------------------------------------------------------------------------------------

Error Socket::write(std::span<const std::string_view> pieces, Deadline deadline,
                    std::size_t& written) {
    // What write_at_once() has begun goes on without letting anybody in between.
    if (written == 0) {
        if (Error error = descriptor_.scheduler().checkpoint()) return error;
    }
    if (Error error = take_turn(deadline)) return error;
    if (!is_open()) {
        end_turn();
        return std::errc::bad_file_descriptor;
    }
    Error error =
        gathers_ ? gather(pieces, deadline, written) : send_pieces(pieces, deadline, written);
    end_turn();
    return error;
}

// The usual case: nobody writes, nothing is gathered, and the kernel had room the last time.
Result<std::size_t> Socket::send_at_once(std::string_view piece) {
    bool may = !has_gathered() && type_ != 0 && descriptor_.promises(Direction::write);
    if (!may) return 0;
    ssize_t n = ::send(fd(), piece.data(), piece.size(), send_flags);
    if (n >= 0) return static_cast<std::size_t>(n);
    Error error = last_errno();
    if (would_block(error)) descriptor_.drained(Direction::write);
    if (would_block(error) || error == std::errc::interrupted) return 0;
    return error;
}

Error Socket::flush(Deadline deadline) {
    if (Error error = descriptor_.scheduler().checkpoint()) return error;
    if (Error error = take_turn(deadline)) return error;
    Error error = send_gathered(deadline);
    end_turn();
    return error;
}

// Writers take turns, first come first served: what one of them writes is not torn apart by
// another.
Error Socket::take_turn(Deadline deadline) {
    if (!is_open()) return std::errc::bad_file_descriptor;
    if (!writing_) {
        writing_ = true;
        return {};
    }
    return descriptor_.scheduler().park(turn_, deadline);  // end_turn() hands the turn over
}

void Socket::end_turn() { writing_ = descriptor_.scheduler().wake_one(turn_); }

Error Socket::send_pieces(std::span<const std::string_view> pieces, Deadline deadline,
                          std::size_t& written) {
    if (Error error = send_gathered(deadline)) return error;
    std::size_t total = total_size(pieces);
    std::size_t skip = written;  // bytes of pieces.front() that have gone
    while (written < total) {
        Result<std::size_t> n = descriptor_.retry(Direction::write, deadline, [&](int fd) {
            return send_some(fd, type_ != 0, pieces, skip);
        });
        if (!n) return n.error();
        written += *n;
        skip += *n;
        if (written < total && deadline != never && Clock::now() >= deadline)
            return std::errc::timed_out;
        while (!pieces.empty() && skip >= pieces.front().size()) {
            skip -= pieces.front().size();
            pieces = pieces.subspan(1);
        }
    }
    return {};
}

// Output that the kernel refused in the background counts against the limit too: who writes faster
// than the peer reads waits here.
Error Socket::gather(std::span<const std::string_view> pieces, Deadline deadline,
                     std::size_t& written) {
    std::size_t total = total_size(pieces);
    if (output_.size() + total >= gather_limit) return send_pieces(pieces, deadline, written);
    if (output_error_) return std::exchange(output_error_, Error());
    for (std::string_view piece : pieces) {
        if (Error error = output_.append(piece)) return error;
        written += piece.size();
    }
    descriptor_.scheduler().before_leaving(*this);
    return {};
}

Result<std::size_t> Socket::gather_at_once(std::string_view piece) {
    if (output_.size() + piece.size() >= gather_limit) return 0;
    if (Error error = output_.append(piece)) return error;
    descriptor_.scheduler().before_leaving(*this);
    return piece.size();
}

Error Socket::send_gathered(Deadline deadline) {
    if (output_error_) return std::exchange(output_error_, Error());
    while (!output_.empty()) {
        Result<std::size_t> n = descriptor_.retry(Direction::write, deadline, [&](int fd) {
            std::string_view piece = output_.view();  // the background may have sent some meanwhile
            return piece.empty() ? 0 : send_one(fd, type_ != 0, piece);
        });
        if (!n) return n.error();
        output_.consume(*n);
    }
    output_.release_if_empty();
    return std::exchange(output_error_, Error());
}

// Sends what the kernel takes at once; the rest follows when the descriptor reports that it takes
// more.
void Socket::departing() {
    Error error;
    while (!output_.empty() && !error && is_open()) {
        ssize_t n = send_one(fd(), type_ != 0, output_.view());
        if (n >= 0) {
            output_.consume(static_cast<std::size_t>(n));
        } else if (last_errno() != std::errc::interrupted) {
            error = last_errno();
        }
    }
    if (would_block(error)) {
        descriptor_.drained(Direction::write);
        error = descriptor_.set_background(this);
        if (!error) return;
    } else if (descriptor_.in_background()) {
        (void)descriptor_.set_background(nullptr);
    }
    if (error) {
        output_error_ = error;
        output_.consume(output_.size());
    }
    output_.release_if_empty();
}

}  // namespace coir
