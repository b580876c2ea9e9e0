#include "runtime/dns_client.hpp"

#include <algorithm>

namespace coir {

namespace {

constexpr std::size_t cache_limit = 8192;          // answers
constexpr std::uint32_t longest_kept = 24 * 3600;  // seconds, whatever the TTL
constexpr std::uint32_t longest_refusal = 10;

std::string key_of(std::string_view name, DnsType type) {
    return std::to_string(static_cast<int>(type)) + ' ' + lower_case(name);
}

std::string describe(int status) {
    switch (status) {
        case ARES_ENOTFOUND:
            return "no such name";
        case ARES_ESERVFAIL:
            return "server failure";
        case ARES_EREFUSED:
            return "the server refuses";
        case ARES_ETIMEOUT:
            return "no DNS server answers";
        // Version 1.18 says this for failing servers, too.
        case ARES_ECONNREFUSED:
            return "DNS servers cannot be reached, or fail";
        default:
            return ::ares_strerror(status);
    }
}

DnsAnswer::Kind kind_of(int status) {
    if (status == ARES_SUCCESS || status == ARES_ENODATA) return DnsAnswer::Kind::found;
    if (status == ARES_ENOTFOUND) return DnsAnswer::Kind::no_name;
    return status == ARES_ETIMEOUT ? DnsAnswer::Kind::silent : DnsAnswer::Kind::failed;
}

}  // namespace

struct DnsClient::Question {
    DnsClient* client;
    std::string name;
    DnsType type;
    std::string key;
    std::shared_ptr<DnsChannel> channel;  // while it is under way
    std::shared_ptr<Question> self;       // so that c-ares' pointer stays good
    WaitList waiters{"name look-up"};
    DnsAnswer answer;
    bool done = false;
};

// -- Tickets --------------------------------------------------------------------------------------

DnsClient::Ticket::Ticket(std::shared_ptr<Question> question)
    : question_(std::move(question)), channel_(question_->channel) {
    if (channel_ != nullptr) channel_->join();
}

DnsClient::Ticket::~Ticket() {
    if (channel_ != nullptr) channel_->leave();
}

const DnsAnswer& DnsClient::Ticket::answer() const { return question_->answer; }

// -- Asking ---------------------------------------------------------------------------------------

DnsClient::Ticket DnsClient::ask(std::string_view name, DnsType type) {
    (void)conf();
    std::string key = key_of(name, type);
    if (auto kept = cache_.find(key); kept != cache_.end()) {
        if (kept->second.until > Clock::now()) return Ticket(kept->second.question);
        cache_.erase(kept);
    }
    if (auto same = under_way_.find(key); same != under_way_.end()) return Ticket(same->second);

    auto question = std::make_shared<Question>();
    question->client = this;
    question->name = name;
    question->type = type;
    question->key = key;
    question->channel = usable_channel().shared_from_this();
    Ticket ticket(question);
    under_way_.emplace(std::move(key), question);
    question->self = question;
    ticket.channel_->ask(question->name.c_str(), type, answered, question.get());
    return ticket;
}

Error DnsClient::wait(const Ticket& ticket, Deadline deadline) {
    while (!ticket.question_->done) {
        if (Error error = scheduler_.park(ticket.question_->waiters, deadline)) return error;
    }
    return {};
}

// Called by c-ares, which must not see an exception.
void DnsClient::answered(void* argument, int status, int, unsigned char* data, int size) {
    std::shared_ptr<Question> question = std::move(static_cast<Question*>(argument)->self);
    DnsClient& client = *question->client;
    question->done = true;
    question->channel.reset();
    try {
        client.read_answer(question, status, {data, static_cast<std::size_t>(size)});
    } catch (const std::bad_alloc&) {
        question->answer.kind = DnsAnswer::Kind::failed;
        question->answer.problem = "out of memory";  // short enough to need none
    }
    client.scheduler_.wake_all(question->waiters);
}

void DnsClient::read_answer(const std::shared_ptr<Question>& question, int status,
                            std::span<const unsigned char> data) {
    auto place = under_way_.find(question->key);
    bool current = place != under_way_.end() && place->second == question;
    if (current) under_way_.erase(place);
    DnsAnswer& answer = question->answer;
    answer.kind = kind_of(status);
    if (answer.kind != DnsAnswer::Kind::found) answer.problem = describe(status);
    bool readable =
        data.empty() || parse_dns_message(data, question->name, question->type, answer.message);
    if (!readable) {
        answer.kind = DnsAnswer::Kind::failed;
        answer.problem = "malformed answer";
    }
    if (current) keep(question);
}

// -- The cache ------------------------------------------------------------------------------------

void DnsClient::keep(const std::shared_ptr<Question>& question) {
    const DnsAnswer& answer = question->answer;
    if (answer.kind != DnsAnswer::Kind::found && answer.kind != DnsAnswer::Kind::no_name) return;
    std::uint32_t limit = answer.has_records() ? longest_kept : longest_refusal;
    std::uint32_t seconds = std::min(answer.message.ttl, limit);
    if (seconds == 0) return;
    Deadline now = Clock::now();
    if (cache_.size() >= cache_limit) make_room(now);
    cache_[question->key] = {question, now + std::chrono::seconds(seconds)};
}

// Drops what is out of date, or everything if that is not much.
void DnsClient::make_room(Deadline now) {
    std::erase_if(cache_, [now](const auto& entry) { return entry.second.until <= now; });
    if (cache_.size() > cache_limit / 2) cache_.clear();
}

void DnsClient::flush() {
    cache_.clear();
    under_way_.clear();  // goes on for those who wait, but nobody joins them, and nothing is kept
}

// -- Configuration --------------------------------------------------------------------------------

const ResolvConf& DnsClient::conf() {
    if (file_.refresh() || conf_.servers.empty()) configure();
    return conf_;
}

void DnsClient::configure() {
    conf_ = parse_resolv_conf(file_.text());
    if (!servers_.empty()) conf_.servers = servers_;
    channel_.reset();
    flush();
}

void DnsClient::set_servers(std::span<const Address> servers) {
    servers_.assign(servers.begin(), servers.end());
    (void)file_.refresh();
    configure();
}

void DnsClient::set_resolv_conf(std::string path) { file_ = TextFile(std::move(path)); }

DnsChannel& DnsClient::usable_channel() {
    if (channel_ == nullptr || channel_->broken()) {
        auto channel = std::make_shared<DnsChannel>(scheduler_);
        if (channel->open(conf_)) throw std::bad_alloc();
        channel_ = std::move(channel);
    }
    return *channel_;
}

}  // namespace coir
