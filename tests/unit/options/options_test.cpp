// The command line of the remote proxy, and what is the same for both programs.
#include <doctest/doctest.h>

#include <array>

#include <fcntl.h>
#include <fmt/format.h>

#include "remote-proxy/options/options.hpp"
#include "tests/unit/command_line.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

// The two addresses, which must be told, and then `arguments`.
Parsed<RemoteOptions> remote(const std::vector<const char*>& arguments)
{
    std::vector<const char*> all{"--control-addr=192.0.2.1:9001", "--outside-addr=:80"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return parsed<RemoteOptions>(all);
}

} // namespace

TEST_CASE("the remote proxy needs two addresses and has a default for the rest")
{
    const auto [options, code, out, err] = remote({});
    CHECK(code == std::nullopt);
    CHECK(out + err == "");
    CHECK(options.control_address == Address{"192.0.2.1", 9001});
    CHECK(options.outside_address == Address{"", 80});
    CHECK(options.pairing_timeout == 10s);
    CHECK(options.max_waiting == 4096);
    CHECK(options.rules.visitors.max_connections == std::nullopt);
    CHECK(options.rules.visitors.max_connections_per_ip == std::nullopt);
    CHECK(options.rules.visitors.max_new_per_second_per_ip == std::nullopt);
    CHECK(options.rules.visitors.allow.empty());
    CHECK(options.rules.visitors.deny.empty());
    CHECK((options.rules.visitors.trusted == loopback_networks()));
    CHECK(options.common.heartbeat_interval == 5s);
    CHECK(options.common.heartbeat_timeout == 15s);
    CHECK(options.common.half_close_timeout == 5min);
    CHECK(options.common.idle_timeout == 0s);
    CHECK(options.common.grace_period == 30s);
    CHECK(options.common.log_level == log::Level::info);
    CHECK(options.common.log_format == log::Format::text);
    CHECK(options.common.sandbox == Sandbox::on);
}

TEST_CASE("a required address that is missing is asked for by its flag")
{
    for (const auto& [given, missing] :
         {std::pair("--control-addr=:1", "--outside-addr, --service, --allow-ports, --https-addr "
                                         "or --http-addr with --domain or --allow-hosts, or "
                                         "--management-addr"),
          {"--outside-addr=:1", "--control-addr"}}) {
        const auto result = parsed<RemoteOptions>({given});
        CHECK(result.code == 2);
        CHECK(result.out == "");
        CHECK(result.err == fmt::format("remote-proxy: {} is required\n"
                                        "Try: remote-proxy --help\n",
                                        missing));
    }
}

TEST_CASE("each flag of the remote proxy sets its option, with a blank or with =")
{
    const auto with_blank = remote({"--pairing-timeout",    "1s",   "--max-waiting",       "7",
                                    "--heartbeat-interval", "2s",   "--heartbeat-timeout", "3s",
                                    "--half-close-timeout", "4s",   "--idle-timeout",      "5s",
                                    "--grace-period",       "6s",   "--log-level",         "debug",
                                    "--log-format",         "json", "--sandbox",           "off"});
    const auto with_sign =
        remote({"--pairing-timeout=1s", "--max-waiting=7", "--heartbeat-interval=2s",
                "--heartbeat-timeout=3s", "--half-close-timeout=4s", "--idle-timeout=5s",
                "--grace-period=6s", "--log-level=debug", "--log-format=json", "--sandbox=off"});
    for (const auto* result : {&with_blank, &with_sign}) {
        CHECK(result->code == std::nullopt);
        const RemoteOptions& options = result->options;
        CHECK(options.pairing_timeout == 1s);
        CHECK(options.max_waiting == 7);
        CHECK(options.common.heartbeat_interval == 2s);
        CHECK(options.common.heartbeat_timeout == 3s);
        CHECK(options.common.half_close_timeout == 4s);
        CHECK(options.common.idle_timeout == 5s);
        CHECK(options.common.grace_period == 6s);
        CHECK(options.common.log_level == log::Level::debug);
        CHECK(options.common.log_format == log::Format::json);
        CHECK(options.common.sandbox == Sandbox::off);
    }
}

TEST_CASE("each limit on visitors sets its option")
{
    const auto [options, code, out, err] =
        remote({"--max-connections=1000000", "--max-connections-per-ip", "1",
                "--max-new-per-second-per-ip=20"});
    CHECK(code == std::nullopt);
    CHECK(options.rules.visitors.max_connections == 1'000'000);
    CHECK(options.rules.visitors.max_connections_per_ip == 1);
    CHECK(options.rules.visitors.max_new_per_second_per_ip == 20);
}

TEST_CASE("networks may be given with commas between them, in several flags, or in the environment")
{
    const std::vector three{parse_cidr("10.0.0.0/8"), parse_cidr("192.0.2.1"),
                            parse_cidr("2001:db8::/32")};
    for (const auto& arguments : std::vector<std::vector<const char*>>{
             {"--allow=10.0.0.0/8,192.0.2.1,2001:db8::/32", "--deny", "::/0"},
             {"--allow", "10.0.0.0/8,192.0.2.1", "--deny=::/0", "--allow=2001:db8::/32"},
             {"--allow=10.0.0.0/8", "--allow", "192.0.2.1", "--deny=::/0", "--allow",
              "2001:db8::/32"}}) {
        const auto result = remote(arguments);
        CHECK(result.code == std::nullopt);
        CHECK((result.options.rules.visitors.allow == three));
        CHECK((result.options.rules.visitors.deny == std::vector{parse_cidr("::/0")}));
    }
    const Environment environment("REMOTE_PROXY_ALLOW", "10.0.0.0/8,192.0.2.1,2001:db8::/32");
    CHECK((remote({}).options.rules.visitors.allow == three));
    CHECK((remote({"--allow=::1"}).options.rules.visitors.allow == std::vector{parse_cidr("::1")}));
}

TEST_CASE("trusted networks are added to this machine's own")
{
    auto expected = loopback_networks();
    expected.push_back(parse_cidr("192.0.2.0/24"));
    CHECK((remote({"--trusted=192.0.2.0/24"}).options.rules.visitors.trusted == expected));
}

TEST_CASE("of several networks the one that is wrong is named")
{
    for (const auto& arguments : std::vector<std::vector<const char*>>{
             {"--deny=::1,10.0.0.1/8,::2"}, {"--deny=::1", "--deny=10.0.0.1/8", "--deny=::2"}}) {
        const auto result = remote(arguments);
        CHECK(result.code == 2);
        CHECK(result.err == "remote-proxy: --deny (or REMOTE_PROXY_DENY): \"10.0.0.1/8\" is not a "
                            "network: did you mean 10.0.0.0/8?\nTry: remote-proxy --help\n");
    }
}

TEST_CASE("an empty place in a list of networks is refused")
{
    for (const auto argument : {"--allow=", "--allow=,", "--allow=::1,", "--allow=,::1",
                                "--allow=::1,,::2", "--allow=::1, ::2"}) {
        CAPTURE(argument);
        CHECK(remote({argument}).code == 2);
    }
    CHECK(remote({"--allow", ""}).code == 2);
    CHECK(remote({"--allow=::1", "--allow="}).code == 2);
    CHECK(remote({"--allow", "::1", "::2"}).code == 2); // one list for each flag
}

TEST_CASE("every level and format of the log can be had")
{
    CHECK(remote({"--log-level=error"}).options.common.log_level == log::Level::error);
    CHECK(remote({"--log-level=warn"}).options.common.log_level == log::Level::warn);
    CHECK(remote({"--log-level=info"}).options.common.log_level == log::Level::info);
    CHECK(remote({"--log-format=text"}).options.common.log_format == log::Format::text);
}

TEST_CASE("a time of 0 is taken where it means never, and only there")
{
    for (const auto argument : {"--half-close-timeout=0", "--idle-timeout=0", "--grace-period=0"})
        CHECK(remote({argument}).code == std::nullopt);
    for (const auto argument :
         {"--heartbeat-interval=0", "--heartbeat-timeout=0ms", "--pairing-timeout=0"})
        CHECK(remote({argument}).code == 2);
}

TEST_CASE("a bad value is answered with flag, variable, value and what was expected")
{
    struct Case {
        const char* flag;
        const char* variable;
        const char* value;
        std::string expected;
    };

    const std::string duration(duration_syntax);
    const std::string network =
        "a network such as 192.0.2.0/24 or 2001:db8::/32, nor a single IP address";
    const std::vector<Case> cases{
        {"--control-addr", "REMOTE_PROXY_CONTROL_ADDR", "nowhere",
         std::string(address_syntax) + "; the port is missing: did you mean nowhere:PORT?"},
        {"--outside-addr", "REMOTE_PROXY_OUTSIDE_ADDR", "::1:80",
         std::string(address_syntax) +
             "; an IPv6 address stands in brackets: did you mean [::1]:80?"},
        {"--pairing-timeout", "REMOTE_PROXY_PAIRING_TIMEOUT", "10",
         duration + ", at least 1ms; did you mean 10s?"},
        {"--max-waiting", "REMOTE_PROXY_MAX_WAITING", "0", "a number from 1 to 12000"},
        {"--max-waiting", "REMOTE_PROXY_MAX_WAITING", "12001", "a number from 1 to 12000"},
        {"--max-waiting", "REMOTE_PROXY_MAX_WAITING", "4294967297", "a number from 1 to 12000"},
        {"--max-waiting", "REMOTE_PROXY_MAX_WAITING", "12x", "a number from 1 to 12000"},
        {"--max-connections", "REMOTE_PROXY_MAX_CONNECTIONS", "0", "a number from 1 to 1000000"},
        {"--max-connections-per-ip", "REMOTE_PROXY_MAX_CONNECTIONS_PER_IP", "1000001",
         "a number from 1 to 1000000"},
        {"--max-new-per-second-per-ip", "REMOTE_PROXY_MAX_NEW_PER_SECOND_PER_IP", "1.5",
         "a number from 1 to 1000000"},
        {"--allow", "REMOTE_PROXY_ALLOW", "localhost",
         network + "; names are not looked up, did you mean 127.0.0.0/8 or ::1?"},
        {"--deny", "REMOTE_PROXY_DENY", "10.0.0/8", network + "; did you mean 10.0.0.0/8?"},
        {"--trusted", "REMOTE_PROXY_TRUSTED", "[::1]", network + "; did you mean ::1?"},
        {"--heartbeat-interval", "REMOTE_PROXY_HEARTBEAT_INTERVAL", "0s",
         duration + ", at least 1ms"},
        {"--heartbeat-timeout", "REMOTE_PROXY_HEARTBEAT_TIMEOUT", "1d",
         duration + ", at least 300ms; did you mean 24h?"},
        {"--heartbeat-timeout", "REMOTE_PROXY_HEARTBEAT_TIMEOUT", "299ms",
         duration + ", at least 300ms"},
        {"--half-close-timeout", "REMOTE_PROXY_HALF_CLOSE_TIMEOUT", "5 s",
         duration + ", or 0; did you mean 5s?"},
        {"--idle-timeout", "REMOTE_PROXY_IDLE_TIMEOUT", "never",
         duration + ", or 0; did you mean 0?"},
        {"--grace-period", "REMOTE_PROXY_GRACE_PERIOD", "10001h", duration + ", or 0"},
        {"--log-level", "REMOTE_PROXY_LOG_LEVEL", "INFO",
         "error, warn, info or debug; did you mean info?"},
        {"--log-format", "REMOTE_PROXY_LOG_FORMAT", "xml", "text or json"}};
    for (const Case& each : cases) {
        const std::string complaint =
            fmt::format("remote-proxy: {} (or {}): \"{}\" is not {}\nTry: remote-proxy --help\n",
                        each.flag, each.variable, each.value, each.expected);
        const bool is_address = std::string_view(each.flag).ends_with("-addr"); // remote() has it
        const auto by_flag = is_address ? parsed<RemoteOptions>({each.flag, each.value})
                                        : remote({each.flag, each.value});
        CHECK(by_flag.code == 2);
        CHECK(by_flag.out == "");
        CHECK(by_flag.err == complaint);
    }
    for (const Case& each : cases) {
        if (std::string_view(each.flag).ends_with("-addr"))
            continue; // remote() gives these, and a flag wins
        const Environment environment(each.variable, each.value);
        const auto by_variable = remote({});
        CHECK(by_variable.code == 2);
        CHECK(by_variable.err.find(each.variable) != std::string::npos);
    }
}

TEST_CASE("a remote proxy that has nothing to encrypt with refuses what would need it")
{
    CHECK(remote({"--encryption=tls"}).code == 2);
    CHECK(remote({"--tls-client-ca=ca.pem"}).code == 2);
    CHECK(remote({"--encryption=tls", "--secret-file=secret"}).code == std::nullopt);
    CHECK(remote({"--encryption=tls", "--tls-cert=a.pem", "--tls-key=b.pem"}).code == std::nullopt);
}

TEST_CASE("a negative value is refused as a value, not taken for a flag")
{
    const auto by_sign = remote({"--grace-period=-5s"});
    CHECK(by_sign.code == 2);
    CHECK(by_sign.err.find("\"-5s\" is not a duration") != std::string::npos);
    const auto number = remote({"--max-waiting=-1"});
    CHECK(number.code == 2);
    CHECK(number.err.find("\"-1\" is not a number from 1") != std::string::npos);
    CHECK(remote({"--grace-period", "-5s"}).code == 2);
}

TEST_CASE("an empty value is refused")
{
    CHECK(remote({"--grace-period="}).code == 2);
    CHECK(remote({"--grace-period", ""}).code == 2);
    CHECK(remote({"--grace-period=", "--log-level=info"}).code == 2);
    CHECK(remote({"--max-waiting", ""}).code == 2);
    CHECK(remote({"--control-addr", ""}).code == 2);
}

TEST_CASE("a flag with one value is refused the second time")
{
    for (const auto& arguments : std::vector<std::vector<const char*>>{
             {"--grace-period=1s", "--grace-period", "2s"},
             {"--grace-period", "1s", "--log-level=info", "--grace-period=1s"},
             {"--watch", "--watch=false", "--grace-period=1s"}}) {
        const auto result = remote(arguments);
        CHECK(result.code == 2);
        CHECK_MESSAGE(result.err.find("is given twice") != std::string::npos, result.err);
    }
    CHECK(remote({"--control-addr=:5"}).err ==
          "remote-proxy: --control-addr is given twice, expected it once\n"
          "Try: remote-proxy --help\n");
    CHECK(remote({"-c", "a", "--config=b"}).err.find("--config is given twice") !=
          std::string::npos);
}

TEST_CASE("what is no flag is refused by name")
{
    for (const auto argument : {"--no-such-flag", "--grace-perio=5s", "stray", "-x", "5s"}) {
        CAPTURE(argument);
        const auto result = remote({argument});
        CHECK(result.code == 2);
        CHECK(result.out == "");
        const std::string_view word = argument; // what is behind the = may be a secret
        CHECK(result.err.find(word.substr(0, word.find('='))) != std::string::npos);
    }
    const auto without_value = remote({"--grace-period"});
    CHECK(without_value.code == 2);
    CHECK(without_value.err.find("--grace-period") != std::string::npos);
}

TEST_CASE("a wrong command line has its exit code also where stderr takes nothing")
{
    RemoteOptions options;
    const std::array<const char*, 2> arguments{"remote-proxy", "--no-such-flag"};
    std::optional<int> code;
    {
        const Captured captured(STDERR_FILENO); // puts the real one back
        const Fd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
        ::dup2(full.get(), STDERR_FILENO);
        code = parse(arguments.size(), arguments.data(), options);
    }
    CHECK(code == 2);
}

TEST_CASE("the version is printed on stdout and is a success")
{
    for (const auto* word : {"--version", "-V", "-v", "version"}) {
        const auto result = parsed<RemoteOptions>({word});
        CHECK(result.code == 0);
        CHECK(result.out == "remote-proxy " TUNNEL_VERSION "\n");
        CHECK(result.err == "");
    }
}
