// socket_write.cpp: the writing of a stream, at once or gathered in the write buffer of a socket.
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "runtime/platform.hpp"
#include "runtime/socket.hpp"

namespace coir {

namespace {

constexpr std::size_t pieces_per_call = 64;

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
