// What people type that is not quite a command line.
#include <doctest/doctest.h>

#include <fmt/format.h>

#include "origin-proxy/options/options.hpp"
#include "remote-proxy/options/options.hpp"
#include "tests/support/temporary_file.hpp"
#include "tests/unit/command_line.hpp"

using namespace tunnel;
using namespace tunnel::test;

namespace {

constexpr const char* control = "--control-addr=:1";
constexpr const char* outside = "--outside-addr=:2";

bool contains(const std::string& text, std::string_view part)
{
    return text.find(part) != std::string::npos;
}

template <class Options>
void refuses(std::vector<const char*> words, std::string_view why)
{
    const auto result = parsed<Options>(std::move(words));
    CHECK(result.code == 2);
    CHECK(result.out == "");
    CHECK_MESSAGE(contains(result.err, why), result.err);
}

} // namespace

TEST_CASE("of a flag that does not exist the nearest is named")
{
    refuses<RemoteOptions>({"--contol-addr", ":9001"},
                           "there is no flag --contol-addr, did you mean --control-addr?");
    refuses<RemoteOptions>({control, "--outside-address=:1"}, "did you mean --outside-addr?");
    refuses<RemoteOptions>({control, "--log_level", "info"}, "did you mean --log-level?");
    refuses<RemoteOptions>({control, "-log-level", "info"}, "did you mean --log-level?");
    refuses<RemoteOptions>({control, "--verison"}, "did you mean --version?");
    refuses<RemoteOptions>({control, "--status"}, "did you mean the command status?");
    refuses<OriginOptions>({"--remote-addr", "a:1"}, "there is no flag --remote-addr");
    refuses<OriginOptions>({"--max-retry=1"}, "did you mean --max-retries?");
    refuses<RemoteOptions>({"status", "--jsno"}, "there is no flag --jsno, did you mean --json?");
    // What stands behind the = may be a secret.
    CHECK_FALSE(contains(parsed<RemoteOptions>({"--secrt=hunter2"}).err, "hunter2"));
    CHECK_FALSE(contains(parsed<RemoteOptions>({"--secret=hunter2"}).err, "hunter2"));
    refuses<RemoteOptions>({"--secret", "hunter2"}, "REMOTE_PROXY_SECRET");
}

TEST_CASE("of a command that does not exist the nearest is named")
{
    refuses<RemoteOptions>({"stat"}, "there is no command \"stat\", did you mean status?");
    refuses<RemoteOptions>({"darin", "web"}, "did you mean drain?");
    refuses<RemoteOptions>({"chekc"}, "did you mean check?");
    refuses<OriginOptions>({"relaod"}, "did you mean reload?");
    refuses<OriginOptions>({"drain", "web"}, "drain is a command of remote-proxy");
    refuses<RemoteOptions>({"remote.toml"}, "did you mean --config remote.toml?");
    refuses<RemoteOptions>({"outside-addr", ":1"}, "did you mean --outside-addr?");
    refuses<RemoteOptions>({"frobnicate"}, "check, completion, drain, gen-secret");
    refuses<RemoteOptions>({control, "status"},
                           "the command status comes before all flags: remote-proxy status");
    refuses<RemoteOptions>({"help", "stats"}, "did you mean status?");
}

TEST_CASE("a flag of the other program is said to be that")
{
    refuses<RemoteOptions>({control, "--origin-server-addr", ":8000"},
                           "--origin-server-addr is a flag of origin-proxy, and this is "
                           "remote-proxy");
    refuses<OriginOptions>({"--control-addr=:1"}, "--control-addr is a flag of remote-proxy");
}

TEST_CASE("a flag without its value is told what it takes")
{
    refuses<RemoteOptions>({control, "--outside-addr"}, "--outside-addr needs a value: "
                                                        "--outside-addr HOST:PORT");
    refuses<RemoteOptions>({"--control-addr", "--outside-addr", ":1"},
                           "--control-addr needs a value");
    refuses<RemoteOptions>({control, "-c"}, "-c needs a value");
    refuses<RemoteOptions>({control, outside, "--watch=maybe"}, "\"maybe\" is not true or false");
    const Environment watch("REMOTE_PROXY_WATCH", "maybe");
    refuses<RemoteOptions>({control, outside}, "--watch (or REMOTE_PROXY_WATCH): \"maybe\"");
}

TEST_CASE("of a word that cannot be chosen the nearest is named, everywhere alike")
{
    refuses<RemoteOptions>({control, outside, "--log-level", "wran"}, "did you mean warn?");
    refuses<RemoteOptions>({control, outside, "--log-format=jsn"}, "did you mean json?");
    refuses<RemoteOptions>({control, outside, "--sandbox=of"}, "did you mean off?");
    refuses<RemoteOptions>({control, outside, "--encryption=atuo"}, "did you mean auto?");
    refuses<RemoteOptions>({control, outside, "--congestion=cubci"}, "did you mean cubic?");
    refuses<RemoteOptions>({control, outside, "--foreign-proxy-header=rest"},
                           "did you mean reset?");
    refuses<OriginOptions>({"--proxy-protocol=V2"}, "did you mean v2?");
    refuses<OriginOptions>({"--health-check=/healthz"}, "did you mean http:/healthz?");
    refuses<RemoteOptions>({control, "--allow-ports=9000-8000"}, "did you mean 8000-9000?");
    const Environment level("REMOTE_PROXY_LOG_LEVEL", "inof");
    refuses<RemoteOptions>({control, outside}, "did you mean info?");
}

TEST_CASE("check and print-config take the name of a file as they take --config")
{
    const TemporaryFile file("control-addr = \":1\"\noutside-addr = \":2\"\n");
    const char* const path = file.path().c_str();
    CHECK(parsed<RemoteOptions>({"check", path}).out == "ok\n");
    CHECK(parsed<RemoteOptions>({"check", path}).code == 0);
    CHECK(contains(parsed<RemoteOptions>({"print-config", path}).out, "outside-addr = \":2\""));
    CHECK(parsed<RemoteOptions>({"check", "--log-level=info", path}).code == 0);
    refuses<RemoteOptions>({"check", path, path}, "has no meaning here");
    refuses<RemoteOptions>({"check", "--config", path, path}, "has no meaning here");
    refuses<RemoteOptions>({"check", "/nowhere/x.toml"}, "/nowhere/x.toml");
}

TEST_CASE("a file for the other program is said to be that, in one line")
{
    const TemporaryFile of_origin("remote-proxy-addr = \"a:1\"\nlog-level = \"info\"\n"
                                  "[services.web]\norigin-server-addr = \":80\"\n");
    const auto at_remote = parsed<RemoteOptions>({"check", of_origin.path().c_str()});
    CHECK(at_remote.code == 2);
    CHECK(at_remote.err ==
          fmt::format("{} line 1: this is a file for origin-proxy, and this program is "
                      "remote-proxy\n",
                      of_origin.path()));
    const TemporaryFile of_remote("[origins.a]\nsecret-file = \"x\"\n[services.web]\n"
                                  "outside-addr = \":80\"\n");
    CHECK(contains(parsed<OriginOptions>({"-c", of_remote.path().c_str()}).err,
                   "this is a file for remote-proxy, and this program is origin-proxy\n"));
    const TemporaryFile tables("[services.web]\norigin-server-addr = \":80\"\n");
    CHECK(contains(parsed<RemoteOptions>({"check", tables.path().c_str()}).err,
                   "line 1: this is a file for origin-proxy"));
    const TemporaryFile mixed("control-addr = \":1\"\ndial-timeout = \"5s\"\n[services.web]\n"
                              "outside-addr = \":80\"\nproxy-protocol = \"v1\"\n");
    const std::string why = parsed<RemoteOptions>({"check", mixed.path().c_str()}).err;
    CHECK(contains(
        why,
        "line 2: 'dial-timeout' has no meaning here, expected only in a file for origin-proxy"));
    CHECK(contains(
        why, "line 5: 'proxy-protocol' of services.web has no meaning, expected only in a file "
             "for origin-proxy"));
}

TEST_CASE("a variable of the environment that means nothing is warned of, with the nearest")
{
    const Environment level("REMOTE_PROXY_LOGLEVEL", "debug");
    const Environment prefix("REMOTEPROXY_MAX_WAITING", "7");
    const Environment other("REMOTE_PROXY_NO_SUCH_THING", "hunter2");
    const Environment cluster("REMOTE_PROXY_PORT_9001_TCP_ADDR", "10.0.0.1");
    const Environment cluster_host("REMOTE_PROXY_SERVICE_HOST", "10.0.0.1");
    const Environment foreign("RUNNER_NAME", "x");
    const auto result = parsed<RemoteOptions>({control, outside});
    CHECK(result.code == std::nullopt);
    const std::vector<std::string>& doubts = result.options.common.doubts;
    const auto warns = [&doubts](std::string_view words) {
        return std::ranges::any_of(
            doubts, [words](const std::string& each) { return contains(each, words); });
    };
    CHECK(doubts.size() == 3);
    CHECK(warns("REMOTE_PROXY_LOGLEVEL of the environment has no meaning, did you mean "
                "REMOTE_PROXY_LOG_LEVEL?"));
    CHECK(warns("did you mean REMOTE_PROXY_MAX_WAITING?"));
    CHECK(warns("REMOTE_PROXY_NO_SUCH_THING"));
    CHECK_FALSE(warns("hunter2"));
    const auto checked = parsed<RemoteOptions>({"check", control, outside});
    CHECK(checked.code == 0);
    CHECK(contains(checked.err, "did you mean REMOTE_PROXY_LOG_LEVEL?"));
}

TEST_CASE("where a command is to answer in JSON, so is what is wrong with its words")
{
    for (const auto& words : std::vector<std::vector<const char*>>{
             {"status", "--json"}, {"drain", "--json"}, {"status", "--json", "--nonsense"}}) {
        const auto result = parsed<RemoteOptions>(words);
        CHECK(result.code == 2);
        CHECK(result.err.starts_with("{\"error\":\""));
        CHECK(result.err.ends_with("\"}\n"));
        CHECK(result.out == "");
    }
}

TEST_CASE("where the log is to be JSON, so is what is wrong with the options")
{
    for (const auto& words : std::vector<std::vector<const char*>>{
             {"--log-format=json"}, {"--log-format", "json", "--nonsense"}}) {
        const auto result = parsed<RemoteOptions>(words);
        CHECK(result.code == 2);
        CHECK(result.err.starts_with("{\"time\":\""));
        CHECK(contains(result.err, "\"level\":\"error\""));
        CHECK(result.err.ends_with("}\n"));
    }
    const Environment format("REMOTE_PROXY_LOG_FORMAT", "json");
    CHECK(parsed<RemoteOptions>({control}).err.starts_with("{"));
    CHECK(parsed<RemoteOptions>({"check", control}).err.starts_with("remote-proxy: "));
    CHECK(parsed<RemoteOptions>({"check", control, "--log-format=json"}).err.starts_with("{"));
    CHECK(parsed<RemoteOptions>({control, "--log-format=text"}).err.starts_with("remote-proxy: "));
}

TEST_CASE("a file says that the log is to be JSON also where a flag or the file itself is wrong")
{
    const auto is_json = [](const std::vector<const char*>& words) {
        const auto result = parsed<RemoteOptions>(words);
        CHECK(result.code == 2);
        return result.err.starts_with("{\"time\":\"") && result.err.ends_with("}\n");
    };
    for (const char* text : {"log-format = \"json\"\n", "log-format='json' # a comment\nwrong = \n",
                             "nonsense = 1\nlog-format = \"json\"\n"}) {
        const TemporaryFile file(text);
        CHECK(is_json({"--config", file.path().c_str(), "--nonsense"}));
        CHECK(is_json({"-c", file.path().c_str()}));
        const Environment config("REMOTE_PROXY_CONFIG", file.path().c_str());
        CHECK(is_json({"--control-addr", "nowhere"}));
        CHECK_FALSE(is_json({"--log-format=text"}));
        const Environment format("REMOTE_PROXY_LOG_FORMAT", "text");
        CHECK_FALSE(is_json({"--nonsense"}));
    }
    for (const char* text : {"log-format = \"text\"\n", "[services.a]\nlog-format = \"json\"\n",
                             "[\nlog-format = \"json\"\n", ""}) {
        const TemporaryFile file(text);
        CHECK_FALSE(is_json({"--config", file.path().c_str(), "--nonsense"}));
    }
    CHECK_FALSE(is_json({"--config", "/nowhere/at/all"}));
}

TEST_CASE("every command answers in JSON where that is asked for, also with what is wrong")
{
    const auto answers = [](std::vector<const char*> words, std::string_view begin) {
        words.push_back("--json");
        const auto result = parsed<RemoteOptions>(words);
        CHECK(result.code == 0);
        CHECK(result.err == "");
        CHECK_MESSAGE(result.out.starts_with(begin), result.out);
        CHECK(result.out.ends_with("}\n"));
    };
    const TemporaryFile secret("0123456789abcdef0123456789abcdef"); // else there is a warning
    const std::string with_secret = "--secret-file=" + secret.path();
    answers({"check", control, outside, with_secret.c_str()}, "{\"ok\":true}");
    answers({"version"}, "{\"program\":\"remote-proxy\",\"version\":\"");
    answers({"gen-secret"}, "{\"secret\":\"");
    answers({"print-config", control, outside, "--allow=::1,10.0.0.0/8"},
            "{\"control-addr\":\":1\",\"outside-addr\":\":2\",");
    for (const auto& words : std::vector<std::vector<const char*>>{
             {"check", "--json"},
             {"print-config", "--json", control, outside, "--spin=x"},
             {"drain", "web", "--json"},
             {"nonsense", "--json"},
             {"help", "--json"}}) {
        CHECK(parsed<OriginOptions>(words).err.starts_with("{\"error\":\""));
        CHECK(parsed<OriginOptions>(words).out == "");
    }
}

TEST_CASE("secrets are masked in a configuration that is printed as JSON")
{
    const std::string secret = "q3vU0mWcXz8Kd1JtR5yLhB7sNfPa2GoEi6TwVxYk9Qe";
    const TemporaryFile file(fmt::format("control-addr = \":1\"\noutside-addr = \":2\"\n"
                                         "[origins.a]\nsecret = \"{0}\"\nallow-ports = [7]\n"
                                         "[origins.b]\nsecrets = [\"1{0}\", \"2{0}\"]\n",
                                         secret));
    const auto result = parsed<RemoteOptions>({"print-config", file.path().c_str(), "--json"});
    CHECK(result.code == 0);
    CHECK_FALSE(contains(result.out, secret));
    CHECK_MESSAGE(contains(result.out, "\"origins\":{\"a\":{\"secret\":\"***\",\"allow-ports\":"
                                       "[7]},\"b\":{\"secrets\":[\"***\",\"***\"]}}"),
                  result.out);
}

TEST_CASE("a table [service.NAME] is told its right name")
{
    const TemporaryFile file("control-addr = \":1\"\n[service.web]\noutside-addr = \":80\"\n");
    const std::string why = parsed<RemoteOptions>({"check", file.path().c_str()}).err;
    CHECK(contains(why, "line 2: [service.NAME] has no meaning, did you mean [services.NAME]?"));
    CHECK(why.find("expected texts in quotes") == std::string::npos);
}

TEST_CASE("what is wrong with a secret names the flag or the variable, and ends with 2")
{
    const TemporaryFile weak("short\n");
    const std::string flag = fmt::format("--secret-file={}", weak.path());
    refuses<RemoteOptions>({"check", control, outside, flag.c_str()}, "--secret-file: ");
    refuses<OriginOptions>(
        {"check", "--remote-proxy-addr=a:1", "--origin-server-addr=:2", "--secret-file=/nowhere/s"},
        "--secret-file: cannot read /nowhere/s");
    refuses<RemoteOptions>({"check", control, outside, "--tls-cert=/nowhere/c", "--tls-key=/k"},
                           "--tls-cert");
    const Environment secret("REMOTE_PROXY_SECRET", "short");
    refuses<RemoteOptions>({control, outside}, "REMOTE_PROXY_SECRET: the secret is too short");
}
