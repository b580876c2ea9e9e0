#include "runtime/stack_overflow.hpp"

#include <array>
#include <csignal>

#include "test/runtime/fixtures.hpp"

using namespace coir;
using namespace coir::test;

namespace {

struct Ending {
    int status = 0;
    std::string said;  // on stderr
};

// What becomes of a child process that does this, and what it writes to stderr.
template <class Function>
Ending ending_of(Function function) {
    int fds[2];
    REQUIRE(::pipe(fds) == 0);
    Ending ending;
    ending.status = in_child([&] {
        ::dup2(fds[1], STDERR_FILENO);
        return function();
    });
    ::close(fds[1]);
    std::array<char, 1000> bytes{};
    ssize_t n = ::read(fds[0], bytes.data(), bytes.size());
    if (n > 0) ending.said.assign(bytes.data(), static_cast<std::size_t>(n));
    ::close(fds[0]);
    return ending;
}

int dive(char* above, int depth) {
    std::array<char, 1024> room;
    char* volatile escape = room.data();
    escape[0] = above[0];
    return depth == 0 ? 0 : dive(escape, depth - 1) + escape[0];
}

int overrun() {
    char start = 1;
    return dive(&start, 100'000);
}

bool died_of(const Ending& ending, int signal) {
    return WIFSIGNALED(ending.status) && WTERMSIG(ending.status) == signal;
}

void describe(const Fiber& fiber) {
    write_stderr(fiber.name());
    write_stderr(" was here\n");
}

}  // namespace

TEST_CASE("a fiber that overruns its stack dies by its guard page") {
    Ending ending = ending_of([] {
        ::signal(SIGSEGV, SIG_DFL);
        Scheduler scheduler(64 * 1024);
        (void)scheduler.spawn([] { ::_exit(overrun() + 1); });
        return scheduler.run() ? 2 : 3;
    });
    CHECK(WIFSIGNALED(ending.status));
}

TEST_CASE("the fiber that overran its stack is named before the signal ends the process") {
    if (instrumented()) return;
    Ending ending = ending_of([] {
        Scheduler scheduler;
        if (report_stack_overflows(describe)) return 1;
        (void)scheduler.spawn([] {});
        (void)scheduler.spawn([] { ::_exit(overrun()); }, "diver");
        return scheduler.run() ? 2 : 3;
    });
    CHECK(died_of(ending, SIGSEGV));
    CHECK(ending.said ==
          "stack overflow in fiber 102 (diver); reserve more with --stack\ndiver was here\n");
}

TEST_CASE("a fault that is no stack overflow ends the process and names nobody") {
    if (instrumented()) return;
    auto fault = [] {
        volatile char* volatile nowhere = nullptr;
        *nowhere = 1;
        return 0;
    };
    Ending inside = ending_of([&] {
        Scheduler scheduler;
        if (report_stack_overflows(describe)) return 1;
        (void)scheduler.spawn(fault);
        return scheduler.run() ? 2 : 3;
    });
    Ending outside = ending_of([&] { return report_stack_overflows(describe) ? 1 : fault(); });
    for (const Ending& ending : {inside, outside}) {
        CHECK(died_of(ending, SIGSEGV));
        CHECK(ending.said == "");
    }
}

TEST_CASE("a SIGSEGV that somebody sent ends the process too") {
    if (instrumented()) return;
    Ending ending = ending_of([] {
        if (report_stack_overflows(nullptr)) return 1;
        ::raise(SIGSEGV);
        return 0;
    });
    CHECK(died_of(ending, SIGSEGV));
}
