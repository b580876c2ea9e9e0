// dns_channel.hpp: c-ares on fibers.
//
// c-ares builds queries, keeps their timers, tries one server after the other and turns to TCP for
// long answers; it never waits. For each socket that it opens, a fiber waits until the socket is
// ready or c-ares' next timer is due, and calls it. c-ares closes its sockets with the last query,
// and their fibers end. Each channel has the servers and options of one ResolvConf.
#pragma once

#include <ares.h>

#include <memory>
#include <vector>

#include "runtime/descriptor.hpp"
#include "runtime/dns_message.hpp"
#include "runtime/resolv_conf.hpp"

namespace coir {

class DnsChannel : public std::enable_shared_from_this<DnsChannel> {
public:
    explicit DnsChannel(Scheduler& scheduler) : scheduler_(scheduler) {}
    ~DnsChannel();  // no query may be under way
    DnsChannel(const DnsChannel&) = delete;
    DnsChannel& operator=(const DnsChannel&) = delete;

    // To be called once, before anything else. Error: ENOMEM.
    Error open(const ResolvConf& conf);

    // Asks the servers; returns at once. `callback` is called once, with the answer or an error,
    // perhaps before ask() returns. It must not wait, throw, or call the channel.
    void ask(const char* name, DnsType type, ares_callback callback, void* argument);

    // Those who wait for answers count themselves; when the last leaves, all queries are given up.
    void join() { ++askers_; }
    void leave() {
        if (--askers_ == 0) give_up();
    }

    // True when a socket has lost its fiber: this channel is of no more use.
    bool broken() const { return broken_; }

private:
    struct Connection {
        explicit Connection(Scheduler& scheduler) : descriptor(scheduler) {}
        Descriptor descriptor;
        unsigned wanted = 0;  // directions
        Fiber* fiber = nullptr;
        Deadline until = Deadline::min();  // when the fiber next looks at c-ares' timers
    };

    static void socket_changed(void* self, ares_socket_t fd, int reads, int writes);
    void set_wanted(int fd, unsigned wanted);
    Error add_connection(int fd, unsigned wanted);
    void serve(Connection& connection);
    void give_up();
    void process(int read_fd, int write_fd);
    Deadline next_timer() const;
    void remember_timer();

    Scheduler& scheduler_;
    ares_channel channel_ = nullptr;
    std::vector<std::shared_ptr<Connection>> connections_;
    std::size_t askers_ = 0;
    bool broken_ = false;
};

}  // namespace coir
