// The proxy that leads out to the remote proxies, as the origin proxy is told of it.
#include "origin-proxy/options/connect_through.hpp"

#include <algorithm>
#include <map>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "origin-proxy/options/options.hpp"
#include "tests/support/temporary_file.hpp"
#include "tests/unit/command_line.hpp"
#include "tests/unit/configured.hpp"

using namespace tunnel;
using namespace tunnel::test;

namespace {

Parsed<OriginOptions> origin(std::vector<const char*> arguments)
{
    arguments.push_back("--origin-server-addr=:8000");
    arguments.push_back("--remote-proxy-addr=example.com:9001");
    return parsed<OriginOptions>(arguments);
}

// What print-config prints.
std::string printed(std::vector<const char*> arguments)
{
    arguments.insert(arguments.begin(), "print-config");
    const auto result = origin(std::move(arguments));
    CHECK(result.code == 0);
    return result.out;
}

// To example.com; empty: straight there.
std::string way(const OriginOptions& options, const char* host = "example.com")
{
    const auto proxy = forward_proxy_to({host, 9001}, options.connect_through);
    return proxy ? to_string(*proxy) : "";
}

ProxyVariables variables(const std::map<std::string, const char*>& all)
{
    return proxy_variables([&all](const char* name) {
        const auto found = all.find(name);
        return found == all.end() ? nullptr : found->second;
    });
}

bool has(const std::string& text, std::string_view part)
{
    return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("without a word of a proxy the way to the remote proxy is straight")
{
    CHECK(way(origin({}).options).empty());
    CHECK(has(printed({}), "connect-through = \"environment\"\n"));
}

TEST_CASE("the proxy is told by a flag, a variable or a key, and a flag wins over HTTPS_PROXY")
{
    CHECK(way(origin({"--connect-through=http://a:1"}).options) == "http://a:1");
    CHECK(way(origin_with("origin-server-addr = \":8000\"\n"
                          "connect-through = \"socks5://a:1\"")
                  .options) == "socks5://a:1");
    const Environment everybody("HTTPS_PROXY", "http://b:2");
    const Environment exceptions("NO_PROXY", "example.com");
    CHECK(way(origin({"--connect-through=http://a:1"}).options) == "http://a:1");
    const Environment own("ORIGIN_PROXY_CONNECT_THROUGH", "socks5h://c:3");
    CHECK(way(origin({}).options) == "socks5://c:3");
}

TEST_CASE("off and direct go straight, whatever the environment says")
{
    const Environment everybody("HTTPS_PROXY", "http://b:2");
    CHECK(way(origin({}).options) == "http://b:2");
    CHECK(way(origin({"--connect-through=environment"}).options) == "http://b:2");
    CHECK(way(origin({"--connect-through=off"}).options).empty());
    CHECK(way(origin({"--connect-through", "direct"}).options).empty());
}

TEST_CASE("the environment's variables count in the order in which curl looks at them")
{
    CHECK(variables({}).variable.empty());
    CHECK(variables({{"HTTP_PROXY", "http://a:1"}, {"http_proxy", "http://a:1"}}).variable.empty());
    CHECK(variables({{"https_proxy", "http://a:1"}, {"HTTPS_PROXY", "http://b:2"}}).variable ==
          "https_proxy");
    CHECK(variables({{"HTTPS_PROXY", "http://a:1"}, {"all_proxy", "http://b:2"}}).variable ==
          "HTTPS_PROXY");
    CHECK(variables({{"https_proxy", ""}, {"ALL_PROXY", "socks5://b"}}).variable == "ALL_PROXY");
    CHECK(variables({{"https_proxy", "proxy:3128"}}).proxy->address.port == 3128);
    CHECK(variables({{"no_proxy", "a"}, {"NO_PROXY", "b"}}).exceptions == "a");
    CHECK(variables({{"no_proxy", ""}, {"NO_PROXY", "b"}}).exceptions == "b");
}

TEST_CASE("NO_PROXY excepts remote proxies from the environment's proxy")
{
    const Environment everybody("ALL_PROXY", "socks5://b:2");
    const Environment exceptions("NO_PROXY", "localhost,.lan,10.0.0.0/8");
    const OriginOptions options = origin({}).options;
    CHECK(way(options) == "socks5://b:2");
    CHECK(way(options, "tunnel.lan").empty());
    CHECK(way(options, "10.1.2.3").empty());
    CHECK(way(options, "").empty());
}

TEST_CASE("a variable that cannot be used is refused, unless nobody would be reached through it")
{
    const Environment everybody("HTTPS_PROXY", "https://ann:hidden@b:443");
    const auto refused = origin({});
    CHECK(refused.code == 2);
    CHECK(has(refused.err, "HTTPS_PROXY of the environment"));
    CHECK(has(refused.err, "give --connect-through off"));
    CHECK_FALSE(has(refused.err, "hidden"));
    CHECK_FALSE(origin({"--connect-through=off"}).code);
    CHECK_FALSE(origin({"--connect-through=http://a:1"}).code);
    const Environment exceptions("NO_PROXY", "example.com");
    CHECK_FALSE(origin({}).code);
}

TEST_CASE("a password on the command line is refused, and shown nowhere")
{
    for (const char* const flag :
         {"--connect-through=http://ann:hidden@a:1", "--connect-through=ann:hidden@a:1"}) {
        const auto refused = origin({flag});
        CHECK(refused.code == 2);
        CHECK(has(refused.err, "every user of a machine can read its command lines"));
        CHECK_FALSE(has(refused.err, "hidden"));
    }
    CHECK(origin({"--connect-through", "http://ann:hidden@a:1"}).code == 2);
}

TEST_CASE("a password in a variable or a file is taken, and masked when it is shown")
{
    const Environment own("ORIGIN_PROXY_CONNECT_THROUGH", "http://ann:hidden@a:1");
    const OriginOptions options = origin({}).options;
    CHECK(options.connect_through.proxy.password == "hidden");
    CHECK(has(printed({}), "connect-through = \"http://ann:***@a:1\"\n"));
    CHECK_FALSE(has(printed({"--json"}), "hidden"));
    const auto file = origin_with("origin-server-addr = \":8000\"\n"
                                  "connect-through = \"socks5://ann:hidden@a:1\"");
    CHECK(file.problems.empty());
    CHECK(file.options.connect_through.proxy.password == "hidden");
    for (const OptionValue& each : file.options.common.values)
        CHECK_FALSE(has(each.text, "hidden"));
    CHECK(origin_with("origin-server-addr = \":8000\"\nconnect-through = \"http://ann:***@a:1\"")
              .complains_of(3, "masked"));
}

TEST_CASE("print-config tells of the environment's proxy in a comment")
{
    const Environment everybody("https_proxy", "http://ann:hidden@b:2");
    const std::string text = printed({});
    CHECK(has(text, "# example.com:9001 is reached through http://ann@b:2, as https_proxy of the "
                    "environment says\n"));
    CHECK_FALSE(has(text, "hidden"));
}

TEST_CASE("the password is read out of its file, without the end of its line")
{
    const TemporaryFile file("hidden\r\n");
    const std::string flag = "--connect-through-password-file=" + file.path();
    OriginOptions options = origin({"--connect-through=socks5://ann@a:1", flag.c_str()}).options;
    read_password(options.connect_through);
    CHECK(options.connect_through.proxy.password == "hidden");
    const TemporaryFile empty("\n");
    options.connect_through.password_file = empty.path();
    CHECK_THROWS_WITH(read_password(options.connect_through),
                      fmt::format("{}: there is no password in it", empty.path()).c_str());
    const TemporaryFile large(std::string(256, 'x'));
    options.connect_through.password_file = large.path();
    CHECK_THROWS_AS(read_password(options.connect_through), std::runtime_error);
    options.connect_through.password_file = "/nowhere/at/all";
    CHECK_THROWS_AS(read_password(options.connect_through), std::runtime_error);
}

TEST_CASE("user and password belong together")
{
    const TemporaryFile file("hidden\n");
    const std::string flag = "--connect-through-password-file=" + file.path();
    CHECK(has(origin({"--connect-through=http://a:1", flag.c_str()}).err, "there is none"));
    CHECK(has(origin({flag.c_str()}).err, "there is none"));
    CHECK(has(origin({"--connect-through=socks5://ann@a:1"}).err, "needs a password"));
    CHECK_FALSE(origin({"--connect-through=http://ann@a:1"}).code);
    CHECK_FALSE(origin({"--connect-through=socks5://ann@a:1", flag.c_str()}).code);
    const Environment own("ORIGIN_PROXY_CONNECT_THROUGH", "http://ann:hidden@a:1");
    CHECK(has(origin({flag.c_str()}).err, "give one of them"));
}

TEST_CASE("a remote proxy may have a way of its own in its table")
{
    const TemporaryFile password("hidden\n");
    auto file = configured<OriginOptions>(
        fmt::format("origin-server-addr = \":8000\"\nconnect-through = \"http://a:1\"\n"
                    "[remote-proxies.b]\naddr = \"b:1\"\nconnect-through = \"socks5://ann@c:2\"\n"
                    "connect-through-password-file = \"{}\"\n"
                    "[remote-proxies.d]\naddr = \"d:1\"\nconnect-through = \"off\"\n"
                    "[remote-proxies.e]\naddr = \"e:1\"\n",
                    password.path()));
    CHECK(file.problems == "");
    read_proxy_passwords(file.options);
    std::vector<std::string> ways;
    for (const RemotePeer& each : file.options.remote_proxies) {
        const auto proxy = forward_proxy_to(each.address, file.options.way_to(each));
        ways.push_back(proxy ? to_string(*proxy) + " " + proxy->password : "straight");
    }
    CHECK((ways == std::vector<std::string>{"socks5://ann@c:2 hidden", "straight", "http://a:1 "}));
    const auto masked = configured<OriginOptions>(
        "origin-server-addr = \":8000\"\n[remote-proxies.b]\naddr = \"b:1\"\n"
        "connect-through = \"http://ann:hidden@c:2\"\n");
    CHECK(masked.problems == "");
    const auto& values = masked.options.common.values;
    CHECK(std::ranges::any_of(
        values, [](const OptionValue& each) { return has(each.text, "http://ann:***@c:2"); }));
    CHECK(std::ranges::none_of(values,
                               [](const OptionValue& each) { return has(each.text, "hidden"); }));
    CHECK(configured<OriginOptions>("origin-server-addr = \":8000\"\n[remote-proxies.b]\n"
                                    "addr = \"b:1\"\nconnect-through = \"socks5://ann@c:2\"\n")
              .says("needs a password"));
    CHECK(configured<OriginOptions>("origin-server-addr = \":8000\"\n[remote-proxies.b]\n"
                                    "addr = \"b:1\"\nconnect-through-password-file = \"p\"\n")
              .says("there is none"));
}

TEST_CASE("check reads the password's file, and tells which way leads out")
{
    const auto result = parsed<OriginOptions>(
        {"check", "--origin-server-addr=:8000", "--remote-proxy-addr=example.com:9001",
         "--connect-through=http://ann@a:1", "--connect-through-password-file=/nowhere/at/all"});
    CHECK(result.code == 2);
    CHECK(has(result.err, "--connect-through-password-file: "));
    const auto good = parsed<OriginOptions>({"check", "--origin-server-addr=:8000",
                                             "--remote-proxy-addr=example.com:9001",
                                             "--connect-through=http://ann@a:1"});
    CHECK(good.code == 0);
    CHECK(good.out == "ok\n");
    CHECK(has(good.err, "connections go through a proxy remote=example.com:9001 "
                        "through=http://ann@a:1 said-by=--connect-through"));
}
