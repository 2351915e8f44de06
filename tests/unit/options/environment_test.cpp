// Options from the environment, and the command line of the origin proxy.
#include <doctest/doctest.h>

#include "origin-proxy/options/options.hpp"
#include "remote-proxy/options/options.hpp"
#include "tests/unit/command_line.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

// The two addresses, which must be told, and then `arguments`.
Parsed<OriginOptions> origin(const std::vector<const char*>& arguments)
{
    std::vector<const char*> all{"--remote-proxy-addr=example.com:9001",
                                 "--origin-server-addr=:8000"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return parsed<OriginOptions>(all);
}

} // namespace

TEST_CASE("the origin proxy needs two addresses and has a default for the rest")
{
    const auto [options, code, out, err] = origin({});
    CHECK(code == std::nullopt);
    CHECK(out + err == "");
    CHECK(options.remote_proxies.at(0).address == Address{"example.com", 9001});
    CHECK(options.origin_server_address == Address{"", 8000});
    CHECK(options.dial_timeout == 5s);
    CHECK(options.max_retries == std::nullopt);
    CHECK(options.common.heartbeat_interval == 5s);
    CHECK(options.common.grace_period == 30s);
    const auto nothing = parsed<OriginOptions>({});
    CHECK(nothing.code == 2);
    CHECK(nothing.err.find("is required") != std::string::npos);
}

TEST_CASE("each flag of the origin proxy sets its option")
{
    const auto result = parsed<OriginOptions>(
        {"--remote-proxy-addr", "[2001:db8::1]:1", "--origin-server-addr=a:2", "--dial-timeout=1s",
         "--max-retries", "0", "--heartbeat-interval=2s", "--heartbeat-timeout=3s",
         "--half-close-timeout=4s", "--idle-timeout=5s", "--grace-period=6s", "--log-level=warn",
         "--log-format=json"});
    CHECK(result.code == std::nullopt);
    const OriginOptions& options = result.options;
    CHECK(options.remote_proxies.back().address == Address{"2001:db8::1", 1});
    CHECK(options.origin_server_address == Address{"a", 2});
    CHECK(options.dial_timeout == 1s);
    CHECK(options.max_retries == 0);
    CHECK(options.common.heartbeat_interval == 2s);
    CHECK(options.common.heartbeat_timeout == 3s);
    CHECK(options.common.half_close_timeout == 4s);
    CHECK(options.common.idle_timeout == 5s);
    CHECK(options.common.grace_period == 6s);
    CHECK(options.common.log_level == log::Level::warn);
    CHECK(options.common.log_format == log::Format::json);
}

TEST_CASE("a number of retries is a whole number")
{
    CHECK(origin({"--max-retries=4294967295"}).options.max_retries == UINT32_MAX);
    for (const auto value : {"4294967296", "-1", "+1", "1.5", "many", "0x1", " 1", "1 "}) {
        CAPTURE(value);
        const auto result = origin({"--max-retries", value});
        CHECK(result.code == 2);
        const auto with_sign = origin({(std::string("--max-retries=") + value).c_str()});
        CHECK(with_sign.code == 2);
        CHECK(with_sign.err == "origin-proxy: --max-retries (or ORIGIN_PROXY_MAX_RETRIES): \"" +
                                   std::string(value) +
                                   "\" is not a whole number\nTry: origin-proxy --help\n");
    }
}

TEST_CASE("every option of the remote proxy may come from the environment")
{
    const Environment control("REMOTE_PROXY_CONTROL_ADDR", "[::1]:9001");
    const Environment outside("REMOTE_PROXY_OUTSIDE_ADDR", "example.com:80");
    const Environment pairing("REMOTE_PROXY_PAIRING_TIMEOUT", "1s");
    const Environment waiting("REMOTE_PROXY_MAX_WAITING", "7");
    const Environment interval("REMOTE_PROXY_HEARTBEAT_INTERVAL", "2s");
    const Environment timeout("REMOTE_PROXY_HEARTBEAT_TIMEOUT", "3s");
    const Environment half_close("REMOTE_PROXY_HALF_CLOSE_TIMEOUT", "4s");
    const Environment idle("REMOTE_PROXY_IDLE_TIMEOUT", "5s");
    const Environment grace("REMOTE_PROXY_GRACE_PERIOD", "6s");
    const Environment level("REMOTE_PROXY_LOG_LEVEL", "debug");
    const Environment format("REMOTE_PROXY_LOG_FORMAT", "json");
    const auto [options, code, out, err] = parsed<RemoteOptions>({});
    CHECK(code == std::nullopt);
    CHECK(out + err == "");
    CHECK(options.control_address == Address{"::1", 9001});
    CHECK(options.outside_address == Address{"example.com", 80});
    CHECK(options.pairing_timeout == 1s);
    CHECK(options.max_waiting == 7);
    CHECK(options.common.heartbeat_interval == 2s);
    CHECK(options.common.heartbeat_timeout == 3s);
    CHECK(options.common.half_close_timeout == 4s);
    CHECK(options.common.idle_timeout == 5s);
    CHECK(options.common.grace_period == 6s);
    CHECK(options.common.log_level == log::Level::debug);
    CHECK(options.common.log_format == log::Format::json);
}

TEST_CASE("every option of the origin proxy may come from the environment")
{
    const Environment remote("ORIGIN_PROXY_REMOTE_PROXY_ADDR", "example.com:9001");
    const Environment server("ORIGIN_PROXY_ORIGIN_SERVER_ADDR", ":8000");
    const Environment dial("ORIGIN_PROXY_DIAL_TIMEOUT", "1s");
    const Environment retries("ORIGIN_PROXY_MAX_RETRIES", "3");
    const Environment grace("ORIGIN_PROXY_GRACE_PERIOD", "0");
    const auto [options, code, out, err] = parsed<OriginOptions>({});
    CHECK(code == std::nullopt);
    CHECK(options.remote_proxies.at(0).address == Address{"example.com", 9001});
    CHECK(options.origin_server_address == Address{"", 8000});
    CHECK(options.dial_timeout == 1s);
    CHECK(options.max_retries == 3);
    CHECK(options.common.grace_period == 0s);
}

TEST_CASE("the command line wins over the environment, even over nonsense in it")
{
    const Environment dial("ORIGIN_PROXY_DIAL_TIMEOUT", "1s");
    const Environment grace("ORIGIN_PROXY_GRACE_PERIOD", "nonsense");
    const auto result = origin({"--dial-timeout=2s", "--grace-period=3s"});
    CHECK(result.code == std::nullopt);
    CHECK(result.options.dial_timeout == 2s);
    CHECK(result.options.common.grace_period == 3s);
}

TEST_CASE("a variable that is set but empty is no option")
{
    const Environment dial("ORIGIN_PROXY_DIAL_TIMEOUT", "");
    const auto result = origin({});
    CHECK(result.code == std::nullopt);
    CHECK(result.options.dial_timeout == 5s);
}

TEST_CASE("each program looks only at its own variables")
{
    const Environment grace("REMOTE_PROXY_GRACE_PERIOD", "nonsense");
    const Environment bare("GRACE_PERIOD", "nonsense");
    CHECK(origin({}).options.common.grace_period == 30s);
    CHECK(origin({}).code == std::nullopt);
}
