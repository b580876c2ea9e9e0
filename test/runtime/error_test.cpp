#include "runtime/error.hpp"

#include <memory>
#include <type_traits>

#include "test/runtime/sockets.hpp"

using namespace coir;

TEST_CASE("an error without a number means that nothing failed") {
    CHECK_FALSE(Error());
    CHECK(Error(0) == Error());
    CHECK(Error().code() == 0);
}

TEST_CASE("an error is the same whether made of a number or of a name") {
    CHECK(Error(ECANCELED) == std::errc::operation_canceled);
    CHECK(Error(EPIPE) == Error(std::errc::broken_pipe));
    CHECK(Error(EPIPE) != Error(EBADF));
    CHECK(static_cast<bool>(Error(EPIPE)));
}

TEST_CASE("last_errno reads errno and leaves it alone") {
    errno = ENOTCONN;
    CHECK(last_errno() == std::errc::not_connected);
    CHECK(errno == ENOTCONN);
}

TEST_CASE("EAGAIN and EWOULDBLOCK would block, nothing else would") {
    CHECK(would_block(Error(EAGAIN)));
    CHECK(would_block(Error(EWOULDBLOCK)));
    CHECK_FALSE(would_block(Error(EINPROGRESS)));
    CHECK_FALSE(would_block(Error()));
}

TEST_CASE("a result is a value or an error") {
    Result<int> value = 7;
    CHECK(value);
    CHECK(*value == 7);
    CHECK(value.error() == Error());
    Result<int> failed = std::errc::timed_out;
    CHECK_FALSE(failed);
    CHECK(failed.error() == std::errc::timed_out);
}

TEST_CASE("a result may be false and yet a success") {
    Result<int> zero = 0;
    CHECK(zero);
    Result<bool> no = false;
    CHECK(no);
}

TEST_CASE("a result holds what can only be moved") {
    Result<std::unique_ptr<int>> made = std::make_unique<int>(3);
    CHECK(**made == 3);
    std::unique_ptr<int> taken = std::move(*made);
    CHECK(*taken == 3);
}

TEST_CASE("errors and results of plain values have no destructor to miss") {
    CHECK(std::is_trivially_destructible_v<Error>);
    CHECK(std::is_trivially_destructible_v<Result<std::size_t>>);
    CHECK(std::is_trivially_destructible_v<Result<std::string_view>>);
    CHECK(std::is_trivially_destructible_v<Result<Address>>);
}
