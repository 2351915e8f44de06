// The flags of both programs in a configuration file.
#include <doctest/doctest.h>

#include "common/options/text_values.hpp"
#include "tests/support/temporary_file.hpp"
#include "tests/unit/command_line.hpp"
#include "tests/unit/configured.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

TEST_CASE("every flag of the remote proxy has its key in the file")
{
    const auto [options, problems] = configured<RemoteOptions>(R"(
control-addr = "0.0.0.0:9001"
outside-addr = ":9000"
pairing-timeout = "1s"
max-waiting = 7
max-connections = 1
max-connections-per-ip = "2"
max-new-per-second-per-ip = 3
allow = ["10.0.0.0/8", "::1,::2"]
deny = "192.0.2.1,192.0.2.2"
trusted = ["192.0.2.0/24"]
allow-ports = ["20000-20100", 9000, "1"]
encryption = "tls"
tls-cert = "c"
tls-key = "k"
tls-client-ca = "a"
heartbeat-interval = "2s"
heartbeat-timeout = "3s"
half-close-timeout = "4s"
idle-timeout = 0
grace-period = "6s"
relay-threads = 2
spin = "7us"
congestion = "off"
sandbox = "off"
log-level = "debug"
log-format = "json"
watch = true
)");
    CHECK(problems == "");
    CHECK(options.control_address == Address{"0.0.0.0", 9001});
    CHECK(options.outside_address == Address{"", 9000});
    CHECK(options.pairing_timeout == 1s);
    CHECK(options.max_waiting == 7);
    CHECK(options.rules.visitors.max_connections == 1);
    CHECK(options.rules.visitors.max_connections_per_ip == 2);
    CHECK(options.rules.visitors.max_new_per_second_per_ip == 3);
    CHECK((options.rules.visitors.allow ==
           std::vector{parse_cidr("10.0.0.0/8"), parse_cidr("::1"), parse_cidr("::2")}));
    CHECK(options.rules.visitors.deny.size() == 2);
    CHECK(options.rules.visitors.trusted.size() == loopback_networks().size() + 1);
    CHECK((options.allow_ports.at("") == PortRanges{{20000, 20100}, {9000, 9000}, {1, 1}}));
    CHECK(options.trust.encryption == Encryption::tls);
    CHECK(options.trust.own.certificate == "c");
    CHECK(options.trust.own.key == "k");
    CHECK(options.trust.ca_file == "a");
    CHECK(options.common.heartbeat_interval == 2s);
    CHECK(options.common.heartbeat_timeout == 3s);
    CHECK(options.common.half_close_timeout == 4s);
    CHECK(options.common.idle_timeout == 0s);
    CHECK(options.common.grace_period == 6s);
    CHECK(options.common.relay_threads == 2);
    CHECK(options.common.spin == 7us);
    CHECK(options.common.sandbox == Sandbox::off);
    CHECK(options.common.log_level == log::Level::debug);
    CHECK(options.common.log_format == log::Format::json);
    CHECK(options.common.watch);
    CHECK(remote_with("outside-addr = \":1\"\nsecret-file = \"s\"").options.trust.secret_file ==
          "s");
    CHECK(remote_with("outside-addr = \":1\"\nsecrets-file = \"s\"").options.trust.secrets_file ==
          "s");
}

TEST_CASE("every flag of the origin proxy has its key in the file")
{
    const auto [options, problems] = configured<OriginOptions>(R"(
remote-proxy-addr = "example.com:9001"
origin-server-addr = ":8000"
dial-timeout = "1s"
max-retries = 3
parked-connections = 4
tls-ca = "a"
tls-server-name = "n"
tls-insecure = true
)");
    CHECK(problems == "");
    CHECK(options.remote_proxies.at(0).address == Address{"example.com", 9001});
    CHECK(options.origin_server_address == Address{"", 8000});
    CHECK(options.dial_timeout == 1s);
    CHECK(options.max_retries == 3);
    CHECK(options.parked_connections == 4);
    CHECK(options.trust.ca_file == "a");
    CHECK(options.trust.server_name == "n");
    CHECK(options.trust.insecure);
}

TEST_CASE("the command line wins over the environment, and both over the file")
{
    const TemporaryFile file("control-addr = \"f:1\"\noutside-addr = \"f:2\"\n"
                             "grace-period = \"1s\"\nmax-waiting = \"nonsense\"\nwatch = true\n"
                             "allow = \"10.0.0.0/8\"\n");
    const Environment outside("REMOTE_PROXY_OUTSIDE_ADDR", "e:2");
    const Environment grace("REMOTE_PROXY_GRACE_PERIOD", "2s");
    const Environment allow("REMOTE_PROXY_ALLOW", "::1");
    const auto result = parsed<RemoteOptions>(
        {"--config", file.path().c_str(), "--max-waiting=5", "--grace-period=3s", "--watch=false"});
    CHECK(result.err == "");
    CHECK(result.code == std::nullopt);
    CHECK(result.options.control_address == Address{"f", 1});
    CHECK(result.options.outside_address == Address{"e", 2});
    CHECK(result.options.common.grace_period == 3s);
    CHECK(result.options.max_waiting == 5);
    CHECK_FALSE(result.options.common.watch);
    CHECK((result.options.rules.visitors.allow == std::vector{parse_cidr("::1")}));
    CHECK(
        (result.options.common.files.present() == std::vector<std::filesystem::path>{file.path()}));
}

TEST_CASE("the file may be named by the environment, and -c is short for --config")
{
    const TemporaryFile file("remote-proxy-addr = \"f:1\"\norigin-server-addr = \"f:2\"\n");
    CHECK(parsed<OriginOptions>({"-c", file.path().c_str()}).code == std::nullopt);
    const Environment config("ORIGIN_PROXY_CONFIG", file.path().c_str());
    CHECK(parsed<OriginOptions>({}).options.origin_server_address == Address{"f", 2});
}

TEST_CASE("a file that cannot be read, or none at all, is an error")
{
    const auto missing = parsed<RemoteOptions>({"--config=/nowhere/at-all.toml"});
    CHECK(missing.code == 2);
    CHECK(missing.err == "cannot read /nowhere/at-all.toml: No such file or directory\n");
    CHECK(parsed<RemoteOptions>({"--config="}).code == 2);
    CHECK(parsed<RemoteOptions>({"--config=/tmp"}).err == "cannot read /tmp: it is a folder\n");
}

TEST_CASE("a bad value is answered with its line, its key, and what was expected")
{
    const auto check = [](const char* toml, std::string_view words) {
        const auto result = remote_with(std::string("outside-addr = \":1\"\n") + toml);
        CAPTURE(toml);
        CAPTURE(result.problems);
        CHECK(result.complains_of(3, words));
    };
    check("max-waiting = 12001", "max-waiting: \"12001\" is not a number from 1 to 12000");
    check("max-waiting = -1", "max-waiting: \"-1\" is not a number from 1 to 12000");
    check("max-waiting = 1.5", "max-waiting is a fraction or a date, expected a text in quotes");
    check("max-waiting = []", "max-waiting is a list, expected a text in quotes or a whole number");
    check("grace-period = true", "grace-period is true or false, expected a text");
    check("grace-period = 30", "grace-period: \"30\" is not a duration such as 250ms");
    check("grace-period = \"\"", "grace-period: \"\" is not a duration");
    check("grace-period = \"1\\n2\"", "grace-period: \"1\\x0a2\" is not a duration");
    check("[grace-period]", "grace-period is a table, expected");
    check("sandbox = \"maybe\"", "sandbox: \"maybe\" is not on, off or required");
    check("allow = [\"::1\", \"10.0.0.1/8\"]",
          "allow: \"10.0.0.1/8\" is not a network: did you mean 10.0.0.0/8?");
    check("allow = [[\"::1\"]]", "allow is a list, expected texts in quotes");
    check("allow-ports = [\"5-4\"]", "allow-ports: \"5-4\" is not a port or ports side by side");
    check("allow-ports = [0]", "allow-ports: \"0\" is not a port");
    check("allow-ports = [65536]", "allow-ports: \"65536\" is not a port");
    check("watch = \"true\"", "watch is text, expected true or false without quotes");
    check("watch = 1", "watch is a number, expected true or false");
    check("services = 1", "services is a number, expected tables [services.NAME]");
    check("origins = []", "origins is a list, expected tables [origins.NAME]");
}

TEST_CASE("a key without a meaning is an error, with the one that was meant if that is near")
{
    const auto check = [](const std::string& toml, std::string_view words) {
        const auto result = remote_with("outside-addr = \":1\"\n" + toml);
        CAPTURE(toml);
        CAPTURE(result.problems);
        CHECK(result.complains_of(3, words));
    };
    check("max-wating = 1", "'max-wating' has no meaning here, did you mean max-waiting?");
    check("max_waiting = 1", "'max_waiting' has no meaning here, did you mean max-waiting?");
    check("servces = 1", "'servces' has no meaning here, did you mean service");
    check("max-new-per-second-per-ipp = 1", "did you mean max-new-per-second-per-ip?");
    check("port = 1", "'port' has no meaning here, expected the name of a flag");
    check("help = true", "'help' has no meaning here");
    check("secret = \"hunter2\"", "no secret can be here, expected secret-file");
    check("config = \"x\"", "this is the file of --config, expected include");
    const std::string secret = "q3vU0mWcXz8Kd1JtR5yLhB7sNfPa2GoEi6TwVxYk9Qe";
    check(secret + " = 1", "a key has no meaning here");
    CHECK_FALSE(remote_with(secret + " = 1").says(secret));
}

TEST_CASE("a line that cannot be read is told with its line, and never quoted")
{
    const auto broken = configured<RemoteOptions>("control-addr = \":1\"\nmax-waiting = hunter2\n");
    CHECK(broken.complains_of(2, "this line cannot be read, expected key = value"));
    CHECK_FALSE(broken.says("hunter2"));
    const auto twice = configured<RemoteOptions>("max-waiting = 1\nmax-waiting = 2\n");
    CHECK(twice.complains_of(2, "this line cannot be read, since a name is there a second time"));
    CHECK(configured<RemoteOptions>("[services.a]\n[services.b]\n[services.a]\n")
              .complains_of(3, "this line cannot be read, since a name is there a second time"));
    CHECK(configured<RemoteOptions>("a = \"\xff\"")
              .says("here.toml line 1: this line cannot be read"));
}

TEST_CASE("a name of very many parts is refused, and not a reason to crash")
{
    std::string name = "a";
    for (int i = 0; i < 400'000; ++i)
        name += ".a";
    CHECK(configured<RemoteOptions>("max-waiting = 1\n[" + name + "]\n")
              .complains_of(2, "a name has too many parts"));
    CHECK(configured<RemoteOptions>(name + " = 1\n").says("a name has too many parts"));
    std::string networks;
    for (int i = 0; i < 100; ++i)
        networks += fmt::format("\"10.0.{}.0/24\", ", i);
    CHECK(remote_with(fmt::format("outside-addr = \":1\" # {}\nallow = [{}]", std::string(100, '.'),
                                  networks))
              .problems == "");
}

TEST_CASE("all problems are told at once, in the order of the lines")
{
    const auto result = configured<RemoteOptions>("max-waiting = 0\nspam = 1\n"
                                                  "grace-period = \"soon\"\nallow = \"everybody\"\n"
                                                  "outside-addr = \"nowhere\"\n");
    CAPTURE(result.problems);
    std::size_t at = 0;
    for (const auto text : {"--control-addr is required\n", "here.toml line 1: max-waiting",
                            "here.toml line 2: 'spam'", "here.toml line 3: grace-period",
                            "here.toml line 4: allow", "here.toml line 5: outside-addr"}) {
        at = result.problems.find(text, at);
        CHECK(at != std::string::npos);
    }
}

TEST_CASE("what is missing is asked for with the name of the file")
{
    const TemporaryFile file("outside-addr = \":1\"\n");
    const auto result = parsed<RemoteOptions>({"--config", file.path().c_str()});
    CHECK(result.code == 2);
    CHECK(result.err ==
          fmt::format("--control-addr is required, or control-addr in {}\n", file.path()));
    CHECK(remote_with("").problems ==
          "--outside-addr, --service, --allow-ports, --https-addr or --http-addr with --domain or "
          "--allow-hosts, or --management-addr is required");
    CHECK(origin_with("").problems == "--origin-server-addr or --service is required");
    CHECK(remote_with("outside-addr = \":1\"\ntls-cert = \"c\"")
              .says("--tls-cert and --tls-key belong together"));
}

TEST_CASE("what the programs print of their configuration says the same when it is read again")
{
    const Environment level("REMOTE_PROXY_LOG_LEVEL", "warn");
    const TemporaryFile file("control-addr = \":1\"\nallow = [\"::1\", \"::2\"]\nwatch = true\n"
                             "[services.\"web.a\"]\noutside-addr = \":2-3\"\n"
                             "[services.b]\noutside-addr = \"b:2\\u0030\"\ndeny = [\"::3\"]\n");
    const auto printed = parsed<RemoteOptions>({"print-config", "--config", file.path().c_str(),
                                                "--tls-cert=a \"b\" \\ c", "--tls-key=k"});
    CHECK(printed.code == 0);
    CHECK(printed.err == "");
    const auto again = configured<RemoteOptions>(printed.out);
    CHECK(again.problems == "");
    CHECK(again.options.common.log_level == log::Level::warn);
    CHECK(again.options.trust.own.certificate == "a \"b\" \\ c");
    CHECK(again.options.rules.visitors.allow.size() == 2);
    CHECK(again.options.common.watch);
    REQUIRE(again.options.services.size() == 3);
    CHECK(again.options.services[1].name == "web.a[1]");
    CHECK(again.options.services[2].outside_address == Address{"b", 20});
    const TemporaryFile copy(printed.out);
    CHECK(parsed<RemoteOptions>({"print-config", "--config", copy.path().c_str()}).out ==
          printed.out);
}

TEST_CASE("a check says ok, or what is wrong with the files that are named too")
{
    const auto good = parsed<RemoteOptions>({"check", "--control-addr=:1", "--outside-addr=:2"});
    CHECK(good.code == 0);
    CHECK(good.out == "ok\n");
    const auto bad = parsed<RemoteOptions>(
        {"check", "--control-addr=:1", "--outside-addr=:2", "--secret-file=/nowhere/s"});
    CHECK(bad.code == 2);
    CHECK(bad.out == "");
    CHECK(bad.err == "--secret-file: cannot read /nowhere/s: No such file or directory\n");
    CHECK(parsed<OriginOptions>({"check", "--remote-proxy-addr=:1", "--origin-server-addr=:2",
                                 "--tls-ca=/nowhere/ca"})
              .code == 2);
    CHECK(parsed<OriginOptions>({"check"}).code == 2);
}

TEST_CASE("options can be read again while the program runs")
{
    const TemporaryFile file("control-addr = \":1\"\noutside-addr = \":2\"\nmax-waiting = 1\n");
    const std::array<const char*, 3> arguments{"remote-proxy", "--config", file.path().c_str()};
    RemoteOptions options;
    {
        const Environment secret("REMOTE_PROXY_SECRET", "0123456789abcdef0123456789abcdef");
        REQUIRE(parse(3, arguments.data(), options) == std::nullopt);
    }
    options.descriptor_limit = 77;
    file.write("control-addr = \":1\"\noutside-addr = \":2\"\nmax-waiting = 2\n");
    const RemoteOptions fresh = reread_options(3, arguments.data(), options);
    CHECK(fresh.max_waiting == 2);
    CHECK(fresh.descriptor_limit == 77);
    CHECK(fresh.trust.secret == options.trust.secret);
    file.write("control-addr = \":1\"\nmax-waiting = 0\nspam = 1\n");
    try {
        reread_options(3, arguments.data(), options);
        FAIL("it took what is wrong");
    } catch (const std::runtime_error& error) {
        const std::string said = error.what();
        CHECK(said.find("line 2: max-waiting") != std::string::npos);
        CHECK(said.find("line 3: 'spam'") != std::string::npos);
    }
}
