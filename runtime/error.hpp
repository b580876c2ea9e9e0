// error.hpp: an expected failure as a value.
//
// An Error is an errno number; zero means that nothing failed. A Result<T> is a value or an Error.
// Both are plain values: no allocation, no destructor worth naming, safe to drop when Lua jumps
// over a frame.
#pragma once

#include <cerrno>
#include <system_error>
#include <utility>

namespace coir {

class [[nodiscard]] Error {
public:
    constexpr Error() = default;  // no error
    constexpr explicit Error(int code) : code_(code) {}
    constexpr Error(std::errc code) : code_(static_cast<int>(code)) {}

    constexpr int code() const { return code_; }
    constexpr explicit operator bool() const { return code_ != 0; }  // true: something failed
    friend constexpr bool operator==(Error, Error) = default;

private:
    int code_ = 0;
};

// The error of the system call on the line before.
inline Error last_errno() { return Error(errno); }

inline bool would_block(Error error) {
    return error.code() == EAGAIN || error.code() == EWOULDBLOCK;
}

// Either a T or the Error that prevented it. `*result` and `result->` need a success.
template <class T>
class [[nodiscard]] Result {
public:
    constexpr Result(T value) : value_(std::move(value)) {}
    constexpr Result(Error error) : error_(error) {}
    constexpr Result(std::errc code) : error_(code) {}

    constexpr explicit operator bool() const { return !error_; }  // true: there is a value
    constexpr Error error() const { return error_; }
    constexpr T& operator*() { return value_; }
    constexpr const T& operator*() const { return value_; }
    constexpr T* operator->() { return &value_; }
    constexpr const T* operator->() const { return &value_; }

private:
    T value_{};
    Error error_;
};

}  // namespace coir
