// names.cpp: getaddrinfo, freeaddrinfo and gethostbyname, answered by the fiber's resolver.
//
// What needs no look-up (numeric hosts, no host at all, arguments that are wrong) is the C
// library's: it is asked first with AI_NUMERICHOST. The rows are made as glibc makes them, so
// either freeaddrinfo frees both kinds, a part of a list too.
#include <arpa/inet.h>

#include <cstdlib>
#include <cstring>

#include "runtime/hooks/call.hpp"
#include "runtime/resolver.hpp"

namespace coir::hooks {

namespace {

using Row = Resolver::Row;

void free_rows(addrinfo* row) {
    while (row != nullptr) {
        addrinfo* next = row->ai_next;
        std::free(row->ai_canonname);
        std::free(row);
        row = next;
    }
}

// One block of memory with the address at its end; nullptr when there is none.
addrinfo* make_row(const Row& from, int flags) {
    socklen_t size = from.address.size();
    auto* row = static_cast<addrinfo*>(std::calloc(1, sizeof(addrinfo) + size));
    if (row == nullptr) return nullptr;
    row->ai_flags = flags;
    row->ai_family = from.family;
    row->ai_socktype = from.type;
    row->ai_protocol = from.protocol;
    row->ai_addrlen = size;
    row->ai_addr = reinterpret_cast<sockaddr*>(row + 1);
    std::memcpy(row->ai_addr, from.address.data(), size);
    if (from.canonical_name.empty()) return row;
    row->ai_canonname = ::strdup(from.canonical_name.c_str());
    if (row->ai_canonname != nullptr) return row;
    std::free(row);
    return nullptr;
}

// 0 or EAI_MEMORY.
int make_list(const std::vector<Row>& rows, int flags, addrinfo** list) {
    addrinfo* first = nullptr;
    addrinfo** end = &first;
    for (const Row& row : rows) {
        *end = make_row(row, flags);
        if (*end == nullptr) {
            free_rows(first);
            return EAI_MEMORY;
        }
        end = &(*end)->ai_next;
    }
    *list = first;
    return 0;
}

// The error as getaddrinfo's. With EAI_SYSTEM, errno says more.
int eai_code(long result, const Resolver::Answer& answer) {
    switch (result) {
        case 0:
            return 0;
        case -EIO:
            return answer.temporary ? EAI_AGAIN : EAI_NONAME;
        case -ETIMEDOUT:
            return EAI_AGAIN;
        case -ENOMEM:
            return EAI_MEMORY;
        default:
            return EAI_SYSTEM;
    }
}

// Fills in the answer and returns 0 or getaddrinfo's code.
int ask(Call& call, Resolver& resolver, const Resolver::Query& query, Resolver::Answer& answer) {
    long result = call.wait([&] {
        answer = resolver.resolve(query, never);
        return answer.error;
    });
    int code = eai_code(result, answer);
    (void)call.finish<int>(code == EAI_SYSTEM ? result : 0);
    return code;
}

int look_up(Call& call, Resolver& resolver, const char* host, const char* service,
            const addrinfo& hints, addrinfo** list) {
    Resolver::Query query;
    query.host = host;
    if (service != nullptr) query.service = service;
    query.family = hints.ai_family;
    query.type = hints.ai_socktype;
    query.protocol = hints.ai_protocol;
    query.flags = hints.ai_flags;
    Resolver::Answer answer;
    if (int code = ask(call, resolver, query, answer)) return code;
    return make_list(answer.rows, hints.ai_flags, list);
}

// What gethostbyname returns: one for each thread, until its next call.
struct HostEntry {
    std::string name;
    std::vector<in_addr> addresses;
    std::vector<char*> list;
    char* no_aliases[1] = {nullptr};
    hostent entry{};

    hostent* fill(const std::vector<Row>& rows) {
        name = rows.front().canonical_name;
        addresses.clear();
        list.clear();
        for (const Row& row : rows) {
            addresses.push_back(reinterpret_cast<const sockaddr_in*>(row.address.data())->sin_addr);
        }
        for (in_addr& address : addresses) list.push_back(reinterpret_cast<char*>(&address));
        list.push_back(nullptr);
        entry = {name.data(), no_aliases, AF_INET, sizeof(in_addr), list.data()};
        return &entry;
    }
};

hostent* host_entry(Call& call, Resolver& resolver, const char* host) try {
    static thread_local HostEntry entry;
    Resolver::Query query;
    query.host = host;
    query.family = AF_INET;
    query.type = SOCK_STREAM;
    query.flags = AI_CANONNAME;
    Resolver::Answer answer;
    int code = ask(call, resolver, query, answer);
    if (code == 0) return entry.fill(answer.rows);
    h_errno = code == EAI_NONAME ? HOST_NOT_FOUND : code == EAI_AGAIN ? TRY_AGAIN : NETDB_INTERNAL;
    return nullptr;
} catch (const std::bad_alloc&) {
    errno = ENOMEM;
    h_errno = NETDB_INTERNAL;
    return nullptr;
}

}  // namespace

}  // namespace coir::hooks

using namespace coir::hooks;

extern "C" int getaddrinfo(const char* host, const char* service, const addrinfo* hints,
                           addrinfo** list) {
    Call call(Hook::getaddrinfo);
    coir::Resolver* resolver = host != nullptr && call.in_fiber() ? call.resolver() : nullptr;
    if (resolver == nullptr) return library().getaddrinfo(host, service, hints, list);
    addrinfo asked{};
    asked.ai_flags = AI_V4MAPPED | AI_ADDRCONFIG;  // without hints
    if (hints != nullptr) asked = *hints;
    addrinfo numeric = asked;
    numeric.ai_flags |= AI_NUMERICHOST;
    int code = library().getaddrinfo(host, service, &numeric, list);
    if (code == 0) {
        for (addrinfo* row = *list; row != nullptr; row = row->ai_next)
            row->ai_flags = asked.ai_flags;
    }
    if (code != EAI_NONAME || (asked.ai_flags & AI_NUMERICHOST) != 0) return code;
    return look_up(call, *resolver, host, service, asked, list);
}

extern "C" void freeaddrinfo(addrinfo* list) noexcept {
    Call call(Hook::freeaddrinfo);
    free_rows(list);
}

extern "C" hostent* gethostbyname(const char* host) {
    Call call(Hook::gethostbyname);
    in_addr literal;
    bool numeric = host == nullptr || ::inet_aton(host, &literal) != 0;
    coir::Resolver* resolver = !numeric && call.in_fiber() ? call.resolver() : nullptr;
    if (resolver == nullptr) return library().gethostbyname(host);
    return host_entry(call, *resolver, host);
}
