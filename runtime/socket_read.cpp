// socket_read.cpp: the reading of a stream, over the read buffer of a socket.
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <new>

#include "runtime/socket.hpp"

namespace coir {

namespace {

constexpr std::size_t smallest_read = 16 * 1024;
constexpr std::size_t largest_read = 1024 * 1024;

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

}  // namespace

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

}  // namespace coir
