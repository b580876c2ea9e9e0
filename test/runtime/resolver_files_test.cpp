// The files that a resolver reads, and what a name must look like.
#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "runtime/host_files.hpp"
#include "runtime/host_name.hpp"
#include "runtime/resolv_conf.hpp"
#include "runtime/resolver_services.hpp"

using namespace coir;

namespace {

// A file that goes with its test.
class Scratch {
public:
    explicit Scratch(const std::string& text = {}) { write(text); }
    ~Scratch() { std::remove(path.c_str()); }

    // Replaces the file as editors do.
    void write(const std::string& text) {
        std::string other = path + ".new";
        std::FILE* file = std::fopen(other.c_str(), "w");
        REQUIRE(file != nullptr);
        std::fwrite(text.data(), 1, text.size(), file);
        std::fclose(file);
        REQUIRE(std::rename(other.c_str(), path.c_str()) == 0);
    }

    std::string path = "/tmp/coir-test-" + std::to_string(::getpid());
};

std::string text_of(const std::vector<Address>& addresses) {
    std::string text;
    for (const Address& address : addresses) text.append(address.text().view()) += ' ';
    return text;
}

std::string join(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words) text += word + ' ';
    return text;
}

}  // namespace

TEST_CASE("a file is read again when it has changed, and only then") {
    Scratch scratch("one");
    TextFile file(scratch.path);
    CHECK(file.refresh());
    CHECK(file.text() == "one");
    CHECK_FALSE(file.refresh());
    scratch.write("two");
    CHECK(file.refresh());
    CHECK(file.text() == "two");
    std::remove(scratch.path.c_str());
    CHECK(file.refresh());
    CHECK(file.text() == "");
    CHECK_FALSE(file.refresh());
}

TEST_CASE("what is no file is an empty one, and is not waited for") {
    Scratch scratch;
    std::remove(scratch.path.c_str());
    REQUIRE(::mkfifo(scratch.path.c_str(), 0600) == 0);
    for (std::string path :
         {scratch.path, std::string("/tmp"), std::string("/dev/zero"), std::string()}) {
        TextFile file(path);
        CHECK(file.refresh());
        CHECK(file.text() == "");
        CHECK_FALSE(file.refresh());
    }
}

TEST_CASE("a hosts file has names, aliases and several lines for one name") {
    Scratch scratch(
        "# comment\n\n127.0.0.1\tlocalhost me#no\n::1 LocalHost\nnonsense x\n1.2.3.4\n"
        "192.0.2.1 host.test host\n192.0.2.1 host\nfe80::1%lo  scoped");
    HostsFile hosts(scratch.path);
    const HostsFile::Host* host = hosts.find("LOCALHOST");
    REQUIRE(host != nullptr);
    CHECK(text_of(host->addresses) == "127.0.0.1:0 [::1]:0 ");
    CHECK(host->canonical_name == "localhost");
    CHECK(hosts.find("me") != nullptr);
    CHECK(hosts.find("no") == nullptr);
    CHECK(hosts.find("x") == nullptr);
    CHECK(hosts.find("host")->canonical_name == "host.test");
    CHECK(text_of(hosts.find("host")->addresses) == "192.0.2.1:0 ");
    CHECK(text_of(hosts.find("scoped")->addresses) == "[fe80::1%lo]:0 ");
}

TEST_CASE("a services file has ports by protocol, and the first line counts") {
    Scratch scratch(
        "web 80/tcp www\nweb 81/tcp\nweb 82/udp # no\nbad x/tcp\nbig 65536/tcp\nshort\nnone 5\n");
    ServicesFile services(scratch.path);
    CHECK(services.find("web", "tcp") == 80);
    CHECK(services.find("www", "tcp") == 80);
    CHECK(services.find("web", "udp") == 82);
    CHECK_FALSE(services.find("www", "udp"));
    CHECK_FALSE(services.find("Web", "tcp"));
    for (const char* name : {"bad", "big", "short", "none", "#", "no", ""})
        CHECK_FALSE(services.find(name, "tcp"));
}

TEST_CASE("resolv.conf is read as the C library reads it") {
    ::unsetenv("LOCALDOMAIN");
    ::unsetenv("RES_OPTIONS");
    ResolvConf conf = parse_resolv_conf(
        "; comment\n# another\nnameserver 192.0.2.1\nnameserver 2001:db8::1 ignored\nnameserver "
        "nonsense\n"
        "domain lost.test\nsearch a.test b.test. . # c.test\n"
        "options ndots:3 timeout:2 attempts:4 rotate use-vc unknown ndots:x\nsortlist 1.2.3.4");
    CHECK(text_of(conf.servers) == "192.0.2.1:53 [2001:db8::1]:53 ");
    CHECK(join(conf.search) == "a.test b.test ");
    CHECK(conf.ndots == 3);
    CHECK(conf.timeout == 2);
    CHECK(conf.attempts == 4);
    CHECK(conf.rotate);
    CHECK(conf.use_tcp);
}

TEST_CASE("an empty resolv.conf means a server on this machine") {
    ResolvConf conf = parse_resolv_conf("");
    CHECK(text_of(conf.servers) == "127.0.0.1:53 ");
    CHECK(conf.ndots == 1);
    CHECK(conf.timeout == 5);
    CHECK(conf.attempts == 2);
}

TEST_CASE("options are kept within bounds") {
    ResolvConf conf = parse_resolv_conf("options ndots:99 timeout:0 attempts:-1\n");
    CHECK(conf.ndots == 15);
    CHECK(conf.timeout == 1);
    CHECK(conf.attempts == 1);
    conf = parse_resolv_conf("options timeout:99999999999999999999 attempts:1000\n");
    CHECK(conf.timeout == 5);
    CHECK(conf.attempts == 5);
}

TEST_CASE("the environment comes before resolv.conf") {
    ::setenv("LOCALDOMAIN", "mine.test", 1);
    ::setenv("RES_OPTIONS", "ndots:2", 1);
    ResolvConf conf = parse_resolv_conf("search a.test\noptions ndots:5 timeout:3\n");
    ::unsetenv("LOCALDOMAIN");
    ::unsetenv("RES_OPTIONS");
    CHECK(join(conf.search) == "mine.test ");
    CHECK(conf.ndots == 2);
    CHECK(conf.timeout == 3);
}

TEST_CASE("a name is completed as the number of its dots says") {
    ResolvConf conf;
    conf.search = {"a.test", "b.test"};
    CHECK(join(complete_names("host", conf)) == "host.a.test host.b.test host ");
    CHECK(join(complete_names("host.sub", conf)) == "host.sub host.sub.a.test host.sub.b.test ");
    CHECK(join(complete_names("host.", conf)) == "host ");
    CHECK(join(complete_names("1.2.3.4.5", conf)) == "1.2.3.4.5.a.test 1.2.3.4.5.b.test ");
    std::string label(63, 'x');
    std::string longest = label + '.' + label + '.' + label + '.' + std::string(55, 'x');
    CHECK(join(complete_names(longest, conf)) == longest + ' ');  // with a domain it is too long
}

TEST_CASE("what cannot be a name is told with its reason") {
    std::string label(63, 'x');
    CHECK(problem_with_dns_name("a.test") == nullptr);
    CHECK(problem_with_dns_name(label + '.' + label + '.' + label + '.' + std::string(61, 'x') +
                                '.') == nullptr);
    CHECK(problem_with_dns_name("") != nullptr);
    CHECK(problem_with_dns_name(".") != nullptr);
    CHECK(problem_with_dns_name("a..b") != nullptr);
    CHECK(problem_with_dns_name(label + "x.test") != nullptr);
    CHECK(problem_with_dns_name(std::string_view("a\0b", 3)) != nullptr);
    CHECK(problem_with_dns_name("0/25.test") == nullptr);
    CHECK(problem_with_host_name("0/25.test") != nullptr);
    CHECK(problem_with_host_name("_x-1.test") == nullptr);
    CHECK(printable(std::string_view("a\0\n", 3)) == "a\\000\\010");
    CHECK(printable(std::string(300, 'x')).size() == 83);
}

TEST_CASE("kinds of sockets are those that type and protocol leave") {
    Scratch scratch("web 80/tcp\n");
    ServicesFile file(scratch.path);
    auto find = [&](std::string_view service, int type, int protocol) {
        std::string problem, text;
        for (const Service& one : find_services(file, service, false, type, protocol, problem)) {
            text += std::to_string(one.type) + '/' + std::to_string(one.protocol) + ':' +
                    std::to_string(one.port) + ' ';
        }
        return text + problem;
    };
    CHECK(find("", 0, 0) == "1/6:0 2/17:0 3/0:0 ");
    CHECK(find("web", 0, 0) == "1/6:80 ");
    CHECK(find("7", SOCK_DGRAM, 0) == "2/17:7 ");
    CHECK(find("", SOCK_RAW, 1) == "3/1:0 ");
    CHECK(find("7", SOCK_RAW, 0) == "such sockets have no ports");
    CHECK(find("", SOCK_STREAM, 17) == "no such kind of socket");
    CHECK(find("65536", 0, 0) == "a port is a number from 0 to 65535");
    CHECK(find("-1", 0, 0) == "a port is a number from 0 to 65535");
    CHECK(find("80x", 0, 0) == "unknown service");
}
