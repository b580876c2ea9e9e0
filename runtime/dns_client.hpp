// dns_client.hpp: questions to the DNS, each asked once: a cache, and a place to meet for those who
// ask the same at the same time.
//
// What is under way belongs to the client and c-ares, never to those who wait for it; they leave
// when they like. When nobody waits for any answer any more, all queries are given up.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <unordered_map>

#include "runtime/dns_channel.hpp"
#include "runtime/dns_message.hpp"
#include "runtime/text_file.hpp"

namespace coir {

struct DnsAnswer {
    enum class Kind {
        found,    // there may still be no record of the type
        no_name,  // nothing has this name
        failed,   // a server failed or refused
        silent    // no server has answered
    };
    Kind kind = Kind::failed;
    DnsMessage message;
    std::string problem;  // unless found

    bool has_records() const { return kind == Kind::found && !message.records.empty(); }
};

class DnsClient {
    struct Question;

public:
    // One caller's interest in a question.
    class Ticket {
    public:
        explicit Ticket(std::shared_ptr<Question> question);
        ~Ticket();
        Ticket(Ticket&& other) = default;
        Ticket& operator=(Ticket&&) = delete;

        // What wait() waited for.
        const DnsAnswer& answer() const;

    private:
        friend class DnsClient;
        std::shared_ptr<Question> question_;
        std::shared_ptr<DnsChannel> channel_;  // null when the answer was there already
    };

    DnsClient(Scheduler& scheduler, std::string resolv_conf)
        : scheduler_(scheduler), file_(std::move(resolv_conf)) {}
    DnsClient(const DnsClient&) = delete;
    DnsClient& operator=(const DnsClient&) = delete;

    // Asks for the records of `type` at `name`, a complete name that can stand in a query. Throws
    // std::bad_alloc.
    Ticket ask(std::string_view name, DnsType type);

    // Waits for the answer, which lives as long as the ticket. Suspends; a cancellation point.
    // Errors: those of Scheduler::park().
    Error wait(const Ticket& ticket, Deadline deadline);

    // What resolv.conf says now, with the servers that were set. Throws std::bad_alloc.
    const ResolvConf& conf();

    // None: those of resolv.conf. Throws std::bad_alloc.
    void set_servers(std::span<const Address> servers);
    void set_resolv_conf(std::string path);

    void flush();

private:
    struct Kept {
        std::shared_ptr<Question> question;
        Deadline until;
    };

    static void answered(void* question, int status, int timeouts, unsigned char* data, int size);
    void read_answer(const std::shared_ptr<Question>& question, int status,
                     std::span<const unsigned char> data);
    void keep(const std::shared_ptr<Question>& question);
    void make_room(Deadline now);
    void configure();
    DnsChannel& usable_channel();

    Scheduler& scheduler_;
    TextFile file_;
    ResolvConf conf_;
    std::vector<Address> servers_;         // set_servers()
    std::shared_ptr<DnsChannel> channel_;  // made at the first question, and anew after changes
    std::unordered_map<std::string, std::shared_ptr<Question>> under_way_;
    std::unordered_map<std::string, Kept> cache_;
};

}  // namespace coir
