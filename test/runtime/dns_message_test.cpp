#include "runtime/dns_message.hpp"

#include <doctest/doctest.h>

#include <random>

using namespace coir;

namespace {

std::string number(std::size_t bytes, std::uint32_t value) {
    std::string text;
    while (bytes-- > 0) text += static_cast<char>(value >> 8 * bytes & 0xff);
    return text;
}

std::string name(std::string_view text) {
    std::string labels;
    while (!text.empty()) {
        std::string_view label = text.substr(0, text.find('.'));
        labels += number(1, static_cast<std::uint32_t>(label.size()));
        labels += label;
        text.remove_prefix(std::min(text.size(), label.size() + 1));
    }
    return labels + '\0';
}

std::string record(std::string_view owner, DnsType type, std::uint32_t ttl,
                   const std::string& data) {
    return name(owner) + number(2, static_cast<std::uint32_t>(type)) + number(2, 1) +
           number(4, ttl) + number(2, static_cast<std::uint32_t>(data.size())) + data;
}

std::string message(DnsType type, const std::vector<std::string>& answers,
                    const std::vector<std::string>& authority = {}) {
    std::string text = number(2, 1) + number(2, 0x8180) + number(2, 1) +
                       number(2, static_cast<std::uint32_t>(answers.size())) +
                       number(2, static_cast<std::uint32_t>(authority.size())) + number(2, 0);
    text += name("a.test") + number(2, static_cast<std::uint32_t>(type)) + number(2, 1);
    for (const std::string& one : answers) text += one;
    for (const std::string& one : authority) text += one;
    return text;
}

bool parse(const std::string& text, DnsType type, DnsMessage& result) {
    auto* data = reinterpret_cast<const unsigned char*>(text.data());
    return parse_dns_message({data, text.size()}, "a.test", type, result);
}

const std::string v4 = {char(192), 0, 2, 1};

std::string soa(std::uint32_t minimum) {
    return name("ns.test") + name("admin.test") + std::string(16, '\0') + number(4, minimum);
}

}  // namespace

TEST_CASE("an address is read, and how long it is good") {
    DnsMessage result;
    REQUIRE(parse(message(DnsType::a, {record("A.Test", DnsType::a, 30, v4)}), DnsType::a, result));
    REQUIRE(result.records.size() == 1);
    CHECK(result.records[0].fields[0].text == "192.0.2.1");
    CHECK(result.canonical_name == "a.test");
    CHECK(result.ttl == 30);
}

TEST_CASE("aliases are followed in any order, and the shortest time to live counts") {
    DnsMessage result;
    REQUIRE(parse(message(DnsType::a, {record("c.test", DnsType::a, 30, v4),
                                       record("b.test", DnsType::cname, 20, name("c.test")),
                                       record("a.test", DnsType::cname, 25, name("b.test")),
                                       record("d.test", DnsType::a, 1, v4)}),
                  DnsType::a, result));
    CHECK(result.records.size() == 1);
    CHECK(result.canonical_name == "c.test");
    CHECK(result.ttl == 20);
}

TEST_CASE("a question for aliases gets the alias itself") {
    DnsMessage result;
    REQUIRE(parse(message(DnsType::cname, {record("a.test", DnsType::cname, 20, name("b.test"))}),
                  DnsType::cname, result));
    REQUIRE(result.records.size() == 1);
    CHECK(result.records[0].fields[0].text == "b.test");
}

TEST_CASE("what is not there may be remembered as the zone says") {
    DnsMessage result;
    REQUIRE(parse(message(DnsType::a, {}, {record("test", DnsType::soa, 60, soa(7))}), DnsType::a,
                  result));
    CHECK(result.records.empty());
    CHECK(result.ttl == 7);
    REQUIRE(parse(message(DnsType::a, {}), DnsType::a, result));
    CHECK(result.ttl == 0);
}

TEST_CASE("a time to live with the highest bit set is none") {
    DnsMessage result;
    REQUIRE(parse(message(DnsType::a, {record("a.test", DnsType::a, 0x80000000, v4)}), DnsType::a,
                  result));
    CHECK(result.ttl == 0);
}

TEST_CASE("types that nobody knows are passed over") {
    DnsMessage result;
    std::string unknown = record("a.test", static_cast<DnsType>(65280), 5, "whatever");
    REQUIRE(parse(message(DnsType::a, {unknown, record("a.test", DnsType::a, 30, v4)}), DnsType::a,
                  result));
    CHECK(result.records.size() == 1);
}

TEST_CASE("a message that ends early is refused, wherever it ends") {
    std::string whole = message(DnsType::a,
                                {record("a.test", DnsType::cname, 20, name("b.test")),
                                 record("b.test", DnsType::a, 30, v4)},
                                {record("test", DnsType::soa, 60, soa(7))});
    DnsMessage result;
    CHECK(parse(whole, DnsType::a, result));
    for (std::size_t size = 0; size < whole.size(); ++size) {
        CHECK_FALSE(parse(whole.substr(0, size), DnsType::a, result));
    }
}

TEST_CASE("data of a wrong size is refused") {
    DnsMessage result;
    CHECK_FALSE(
        parse(message(DnsType::a, {record("a.test", DnsType::a, 30, "abc")}), DnsType::a, result));
    CHECK_FALSE(
        parse(message(DnsType::mx, {record("a.test", DnsType::mx, 30, "a")}), DnsType::mx, result));
    CHECK_FALSE(parse(message(DnsType::txt, {record("a.test", DnsType::txt, 30, "\x09x")}),
                      DnsType::txt, result));
}

TEST_CASE("a name that points at itself, forward or outside is refused") {
    DnsMessage result;
    for (unsigned target : {12 + 12 + 18U, 12 + 12 + 40U, 0x3fffU}) {
        std::string pointer = number(2, 0xc000 | target);
        CHECK_FALSE(parse(message(DnsType::cname, {record("a.test", DnsType::cname, 20, pointer)}),
                          DnsType::cname, result));
    }
}

TEST_CASE("random bytes never break anything") {
    std::mt19937 random(1);
    std::string whole = message(DnsType::soa, {record("a.test", DnsType::soa, 20, soa(1)),
                                               record("a.test", DnsType::txt, 20, "\5hello"),
                                               record("a.test", DnsType::caa, 20, "\0\5issuex")});
    for (int i = 0; i < 20000; ++i) {
        std::string broken = whole;
        for (unsigned n = random() % 6; n > 0; --n)
            broken[random() % broken.size()] = char(random());
        for (DnsType type : {DnsType::soa, DnsType::txt, DnsType::caa}) {
            DnsMessage result;
            if (!parse(broken, type, result)) continue;
            for (const DnsRecord& one : result.records) CHECK_FALSE(one.fields.empty());
        }
    }
}

TEST_CASE("types have names") {
    DnsType type{};
    CHECK(dns_type_named("aaaa", type));
    CHECK(type == DnsType::aaaa);
    CHECK(dns_type_named("Mx", type));
    CHECK(std::string(dns_type_name(type)) == "MX");
    CHECK_FALSE(dns_type_named("", type));
    CHECK_FALSE(dns_type_named("ANY", type));
}
