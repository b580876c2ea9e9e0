#include "runtime/stack_overflow.hpp"

#include <signal.h>
#include <unistd.h>

#include <charconv>
#include <string_view>

#include "runtime/scheduler.hpp"

namespace coir {

namespace {

constexpr std::size_t handler_stack_size = 64 * 1024;

void (*describe_fiber)(const Fiber& fiber) = nullptr;
thread_local char handler_stack[handler_stack_size];

// Only async-signal-safe calls from here on.
void report(const Fiber& fiber) {
    char digits[24];
    auto [end, error] = std::to_chars(digits, digits + sizeof digits, fiber.id());
    write_stderr("stack overflow in fiber ");
    write_stderr({digits, static_cast<std::size_t>(end - digits)});
    Fiber::NameRoom room;
    if (std::string_view name = fiber.shown_name(room); !name.empty()) {
        write_stderr(" (");
        write_stderr(name);
        write_stderr(")");
    }
    write_stderr("; reserve more with --stack\n");
    if (describe_fiber != nullptr) describe_fiber(fiber);
}

void on_fault(int signal, siginfo_t* info, void*) {
    // The default action takes place when the instruction is tried again; a second fault in here,
    // too.
    ::signal(signal, SIG_DFL);
    bool sent = info->si_code <= 0;  // by kill(2): there is no instruction to try again
    if (sent) {
        ::raise(signal);
        return;
    }
    Scheduler* scheduler = Scheduler::current();
    Fiber* fiber = scheduler == nullptr ? nullptr : scheduler->running();
    if (fiber != nullptr && fiber->stack().guards(info->si_addr)) report(*fiber);
}

}  // namespace

void write_stderr(std::string_view text) {
    while (!text.empty()) {
        ssize_t n = ::write(STDERR_FILENO, text.data(), text.size());
        if (n <= 0) return;
        text.remove_prefix(static_cast<std::size_t>(n));
    }
}

Error report_stack_overflows(void (*describe)(const Fiber& fiber)) {
    describe_fiber = describe;
    stack_t stack{};
    stack.ss_sp = handler_stack;
    stack.ss_size = sizeof handler_stack;
    if (::sigaltstack(&stack, nullptr) < 0) return last_errno();
    struct sigaction action {};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    ::sigemptyset(&action.sa_mask);
    for (int signal : {SIGSEGV, SIGBUS}) {
        if (::sigaction(signal, &action, nullptr) < 0) return last_errno();
    }
    return {};
}

}  // namespace coir
