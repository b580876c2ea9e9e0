#include <poll.h>

#include <csignal>
#include <thread>

#include "runtime/scheduler.hpp"
#include "test/runtime/sockets.hpp"

using namespace coir;
using namespace coir::test;

namespace {

// A fiber that stays until `count` functions have been posted to its scheduler.
struct Mailbox {
    explicit Mailbox(Scheduler& owner, int expected) : scheduler(owner), missing(expected) {
        spawn(scheduler, [this] {
            while (missing > 0) CHECK(scheduler.park(list) == Error());
        });
    }
    void arrived() {
        --missing;
        scheduler.wake_all(list);
    }
    Scheduler& scheduler;
    WaitList list{"mailbox", true};
    int missing;
};

Scheduler* nudged = nullptr;

}  // namespace

TEST_CASE("posted functions run on the scheduler's thread, outside any fiber, in order") {
    Scheduler scheduler;
    Mailbox mailbox(scheduler, 3);
    std::string log;
    std::thread::id home = std::this_thread::get_id();
    std::thread other([&] {
        for (char letter : {'a', 'b', 'c'}) {
            scheduler.post([&, letter] {
                CHECK(std::this_thread::get_id() == home);
                CHECK(scheduler.running() == nullptr);
                CHECK(Scheduler::current() == &scheduler);
                log += letter;
                mailbox.arrived();
            });
        }
    });
    run(scheduler);
    other.join();
    CHECK(log == "abc");
}

TEST_CASE("a posted function may post, spawn, wake and cancel") {
    Scheduler scheduler;
    Mailbox mailbox(scheduler, 1);
    std::string log;
    scheduler.post([&] {
        log += 'a';
        spawn(scheduler, [&] {
            log += 'c';
            mailbox.arrived();
        });
        scheduler.post([&] { log += 'b'; });
    });
    run(scheduler);
    CHECK((log == "abc" || log == "acb"));
}

TEST_CASE("what is posted while fibers never wait runs in the next turn") {
    Scheduler scheduler;
    bool posted = false;
    in_fiber(scheduler, [&] {
        scheduler.post([&] { posted = true; });
        CHECK_FALSE(posted);
        CHECK(scheduler.yield() == Error());
        CHECK(posted);
    });
}

TEST_CASE("many threads post to one scheduler, and nothing is lost") {
    Scheduler scheduler;
    int each = static_cast<int>(scaled(20'000));
    Mailbox mailbox(scheduler, 4 * each);
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] {
            for (int n = 0; n < each; ++n) scheduler.post([&] { mailbox.arrived(); });
        });
    }
    run(scheduler);
    for (std::thread& thread : threads) thread.join();
    CHECK(mailbox.missing == 0);
}

TEST_CASE("schedulers in several threads throw a ball to each other") {
    constexpr int players = 4;
    int throws = static_cast<int>(scaled(10'000));
    struct Player {
        Scheduler scheduler;
        WaitList list{"ball", true};
        bool has_ball = false;
        int caught = 0;
    };
    std::vector<std::unique_ptr<Player>> table;
    for (int i = 0; i < players; ++i) table.push_back(std::make_unique<Player>());
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < players; ++i) {
        threads.emplace_back([&, i] {
            Player& self = *table[i];
            Player& next = *table[(i + 1) % players];
            auto play = [&] {
                while (self.caught < throws) {
                    while (!self.has_ball) (void)self.scheduler.park(self.list);
                    self.has_ball = false;
                    ++self.caught;
                    bool last = self.caught == throws && i + 1 == players;
                    if (!last) {
                        next.scheduler.post([&next] {
                            next.has_ball = true;
                            next.scheduler.wake_all(next.list);
                        });
                    }
                }
            };
            if (!self.scheduler.spawn(play) || self.scheduler.run()) std::abort();
        });
    }
    table[0]->scheduler.post([&] {
        table[0]->has_ball = true;
        table[0]->scheduler.wake_all(table[0]->list);
    });
    for (std::thread& thread : threads) thread.join();
    for (auto& player : table) CHECK(player->caught == throws);
}

TEST_CASE("a nudge ends the wait in the kernel, also from a signal handler") {
    Scheduler scheduler;
    SocketPair pair(scheduler);
    auto reader = spawn(scheduler, [&] { (void)read(pair.left); });
    CHECK(scheduler.run_once(overdue()) == Error());
    std::thread other([&] { scheduler.nudge(); });
    CHECK(scheduler.run_once() == Error());
    other.join();
    nudged = &scheduler;
    auto old = ::signal(SIGUSR1, [](int) { nudged->nudge(); });
    ::raise(SIGUSR1);
    CHECK(scheduler.run_once() == Error());
    ::signal(SIGUSR1, old);
    scheduler.cancel(*reader);
    run(scheduler);
}

TEST_CASE("the scheduler's descriptor tells a foreign loop of posts and of events") {
    if (on_libkqueue) return;
    Scheduler scheduler;
    SocketPair pair(scheduler);
    auto ready = [&] {
        pollfd entry{scheduler.fd(), POLLIN, 0};
        return ::poll(&entry, 1, 0) == 1;
    };
    spawn(scheduler, [&] { CHECK(read_any(pair.left) == text("x")); });
    for (int i = 0; i < 3; ++i) CHECK(scheduler.run_once(overdue()) == Error());
    CHECK_FALSE(ready());
    scheduler.post([] {});
    CHECK(ready());
    for (int i = 0; i < 2; ++i) CHECK(scheduler.run_once(overdue()) == Error());
    CHECK_FALSE(ready());
    send_raw(pair.right, "x");
    CHECK(ready());
    run(scheduler);
}
