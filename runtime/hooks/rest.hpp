// rest.hpp: what is left of the buffers of a message after a part of it has been moved.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <span>
#include <vector>

namespace coir::hooks {

inline std::size_t total_size(std::span<const iovec> buffers) {
    std::size_t total = 0;
    for (const iovec& buffer : buffers) total += buffer.iov_len;
    return total;
}

class Rest {
public:
    // May throw std::bad_alloc.
    explicit Rest(const msghdr& message)
        : buffers_(message.msg_iov, message.msg_iov + message.msg_iovlen) {}

    void advance(std::size_t moved) {
        while (moved > 0) {
            iovec& first = buffers_[done_];
            std::size_t part = std::min(moved, first.iov_len);
            first.iov_base = static_cast<char*>(first.iov_base) + part;
            first.iov_len -= part;
            moved -= part;
            if (first.iov_len == 0) ++done_;
        }
    }

    // The rest as a message: no address and no control data, which belong to the first part.
    msghdr message() {
        msghdr result{};
        result.msg_iov = buffers_.data() + done_;
        result.msg_iovlen = buffers_.size() - done_;
        return result;
    }

private:
    std::vector<iovec> buffers_;
    std::size_t done_ = 0;
};

}  // namespace coir::hooks
