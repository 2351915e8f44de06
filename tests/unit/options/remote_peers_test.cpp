// The remote proxies that an origin proxy is told of.
#include <doctest/doctest.h>

#include <fmt/format.h>

#include "origin-proxy/options/remote_peers.hpp"
#include "tests/support/temporary_file.hpp"
#include "tests/unit/command_line.hpp"
#include "tests/unit/configured.hpp"

using namespace tunnel;
using namespace tunnel::test;

namespace {

Parsed<OriginOptions> origin(std::vector<const char*> arguments)
{
    arguments.push_back("--origin-server-addr=:8000");
    return parsed<OriginOptions>(arguments);
}

// A file whose first line names the origin server.
Configured<OriginOptions> file(std::string_view toml)
{
    return configured<OriginOptions>(fmt::format("origin-server-addr = \":8000\"\n{}", toml));
}

std::vector<std::string> addresses(const OriginOptions& options)
{
    std::vector<std::string> all;
    for (const RemotePeer& each : options.remote_proxies)
        all.push_back(to_string(each.address));
    return all;
}

using Texts = std::vector<std::string>;

} // namespace

TEST_CASE("remote proxies are given one by one, with commas, in the environment, or as a list")
{
    const Texts two{"a:1", "[::1]:2"};
    CHECK((addresses(origin({"--remote-proxy-addr=a:1"}).options) == Texts{"a:1"}));
    CHECK(
        (addresses(origin({"--remote-proxy-addr", "a:1", "--remote-proxy-addr=[::1]:2"}).options) ==
         two));
    CHECK((addresses(origin({"--remote-proxy-addr=a:1,[::1]:2"}).options) == two));
    CHECK((addresses(file("remote-proxy-addr = [\"a:1\", \"[::1]:2\"]").options) == two));
    const Environment environment("ORIGIN_PROXY_REMOTE_PROXY_ADDR", "a:1,[::1]:2");
    CHECK((addresses(origin({}).options) == two));
    CHECK((addresses(origin({"--remote-proxy-addr=b:3"}).options) == Texts{"b:3"}));
}

TEST_CASE("without any remote proxy there is nothing to do")
{
    const auto result = origin({});
    CHECK(result.code == 2);
    CHECK(result.err == "origin-proxy: --remote-proxy-addr is required\n"
                        "Try: origin-proxy --help\n");
    CHECK(file("").says("--remote-proxy-addr is required"));
    CHECK(file("remote-proxy-addr = []").complains_of(2, "remote-proxy-addr is an empty list"));
    CHECK(file("[remote-proxies]").complains_of(2, "remote-proxies is empty, expected tables"));
}

TEST_CASE("a remote proxy that is given twice is refused, wherever")
{
    const auto result = origin({"--remote-proxy-addr=a:1,b:1", "--remote-proxy-addr=a:1"});
    CHECK(result.code == 2);
    CHECK(result.err.find("--remote-proxy-addr (or ORIGIN_PROXY_REMOTE_PROXY_ADDR): \"a:1\" is "
                          "given twice, expected each remote proxy once") != std::string::npos);
    CHECK(origin({"--remote-proxy-addr=a.example:1,A.Example:1"}).code == 2);
    CHECK(origin({"--remote-proxy-addr=:1,localhost:1"}).code == 2);
    CHECK(origin({"--remote-proxy-addr=a:1,a:2"}).code == std::nullopt);
    CHECK(file("remote-proxy-addr = [\"a:1\",\n\"a:1\"]")
              .complains_of(3, "remote-proxy-addr: \"a:1\" is given twice"));
    CHECK(file("remote-proxy-addr = \"a:1\"\n[remote-proxies.x]\naddr = \"a:1\"")
              .complains_of(4, "addr of remote-proxies.x: \"a:1\" is given twice"));
}

TEST_CASE("so many remote proxies there may be, and not one more")
{
    std::string all = "--remote-proxy-addr=h:0";
    for (std::size_t i = 1; i < most_remote_proxies; ++i)
        all += fmt::format(",h:{}", i);
    CHECK(origin({all.c_str()}).options.remote_proxies.size() == most_remote_proxies);
    all += ",h:9999";
    const auto result = origin({all.c_str()});
    CHECK(result.code == 2);
    CHECK(result.err.find("\"h:9999\" is one too many, expected 16 at most") != std::string::npos);
}

TEST_CASE("what is no address is told with what was expected")
{
    CHECK(origin({"--remote-proxy-addr=a:1,b"})
              .err.find("--remote-proxy-addr (or ORIGIN_PROXY_REMOTE_PROXY_ADDR): \"b\" is not an "
                        "address such as") != std::string::npos);
    CHECK(file("[remote-proxies.x]\naddr = \"b\"")
              .complains_of(3, "addr of remote-proxies.x: \"b\""));
    CHECK(file("[remote-proxies.x]").complains_of(2, "remote-proxies.x has no addr"));
    CHECK(
        file("[remote-proxies.x]\naddr = \"a:1\"\nadr = 1").complains_of(4, "did you mean addr?"));
}

TEST_CASE("a secret is no key of a remote proxy's table, and never named as one")
{
    const auto secret = file("[remote-proxies.x]\naddr = \"a:1\"\nsecret = \"hunter2\"");
    CHECK(secret.complains_of(4, "no secret can be in remote-proxies.x, expected secret-file"));
    const auto unknown = file("[remote-proxies.x]\naddr = \"a:1\"\nspam = 1");
    CHECK(unknown.complains_of(4, "expected secret-file, encryption, tls-cert, tls-key, tls-ca, "
                                  "tls-server-name, connect-through, "
                                  "connect-through-password-file, addr"));
}

TEST_CASE("a table may say of the trust what is different from the others")
{
    const auto [options, problems] = file(R"(
remote-proxy-addr = "a:1"
secret-file = "general"
encryption = "off"
[remote-proxies.same]
addr = "b:1"
[remote-proxies.other]
addr = "c:1"
secret-file = "own"
encryption = "auto"
[remote-proxies.certified]
addr = "d:1"
encryption = "tls"
tls-ca = "ca"
tls-server-name = "name"
tls-cert = "cert"
tls-key = "key"
)");
    CHECK(problems == "");
    REQUIRE((addresses(options) == Texts{"a:1", "b:1", "c:1", "d:1"}));
    for (const std::size_t same : {0, 1}) {
        const TrustOptions& trust = options.trust_of(options.remote_proxies[same]);
        CHECK(trust.secret_file == "general");
        CHECK(trust.encryption == Encryption::off);
    }
    const TrustOptions& other = options.trust_of(options.remote_proxies[2]);
    CHECK(other.secret_file == "own");
    CHECK(other.encryption == Encryption::automatic);
    const TrustOptions& certified = options.trust_of(options.remote_proxies[3]);
    CHECK(certified.secret_file == ""); // which would contradict the certificates
    CHECK(certified.encryption == Encryption::tls);
    CHECK(certified.ca_file == "ca");
    CHECK(certified.server_name == "name");
    CHECK(certified.own.certificate == "cert");
    CHECK(certified.own.key == "key");
    CHECK(options.has_private_files());
    const auto files = files_to_read_again(options.common);
    for (const auto name : {"general", "own", "ca", "cert", "key"})
        CHECK(std::ranges::find(files, name) != files.end());
}

TEST_CASE("a secret of its own is not for one who has certificates in general")
{
    const auto [options, problems] = file("tls-ca = \"ca\"\ntls-insecure = true\n"
                                          "[remote-proxies.x]\naddr = \"a:1\"\n"
                                          "secret-file = \"own\"\n"
                                          "[remote-proxies.y]\naddr = \"b:1\"\n"
                                          "tls-ca = \"another\"\n");
    CHECK(problems == "");
    const TrustOptions& trust = options.trust_of(options.remote_proxies.at(0));
    CHECK(trust.secret_file == "own");
    CHECK(trust.ca_file == "");
    CHECK_FALSE(trust.insecure);
    CHECK_FALSE(options.trust_of(options.remote_proxies.at(1)).insecure); // it names an authority
}

TEST_CASE("what contradicts itself in a table is told with the table's line")
{
    const auto wrong = [](const char* keys, std::string_view words) {
        CAPTURE(keys);
        const auto result = file(fmt::format("[remote-proxies.x]\naddr = \"a:1\"\n{}", keys));
        CAPTURE(result.problems);
        CHECK(result.complains_of(2, words));
    };
    wrong("tls-cert = \"c\"", "remote-proxies.x: --tls-cert and --tls-key belong together");
    wrong("secret-file = \"s\"\ntls-ca = \"c\"", "a secret and certificates are two ways");
    wrong("encryption = \"off\"\ntls-ca = \"c\"", "leaves the certificates without a use");
}

TEST_CASE("a secret in a table is refused, and not shown")
{
    const auto result = file("[remote-proxies.x]\naddr = \"a:1\"\nsecret = \"hunter2-hunter2\"");
    CHECK(result.complains_of(4, "expected secret-file with the name of a file"));
    CHECK_FALSE(result.says("hunter2"));
}

TEST_CASE("remote proxies of the command line and the environment win over those of the file")
{
    const TemporaryFile config("origin-server-addr = \":1\"\n[remote-proxies.x]\naddr = \"a:1\"\n");
    const std::string flag = "--config=" + config.path();
    const auto with = [&flag](std::vector<const char*> arguments) {
        arguments.push_back(flag.c_str());
        return addresses(parsed<OriginOptions>(arguments).options);
    };
    CHECK((with({}) == Texts{"a:1"}));
    CHECK((with({"--remote-proxy-addr=b:1"}) == Texts{"b:1"}));
    const Environment environment("ORIGIN_PROXY_REMOTE_PROXY_ADDR", "c:1");
    CHECK((with({}) == Texts{"c:1"}));
}

TEST_CASE("what holds of remote proxies is printed, and read as the same")
{
    const TemporaryFile config("remote-proxy-addr = [\"a:1\", \"b:1\"]\n"
                               "origin-server-addr = \":1\"\n"
                               "[remote-proxies.x]\naddr = \"c:1\"\nencryption = \"off\"\n");
    const auto printed = parsed<OriginOptions>({"print-config", "-c", config.path().c_str()}).out;
    CAPTURE(printed);
    CHECK(printed.find("remote-proxy-addr = [\"a:1\", \"b:1\"]\n") != std::string::npos);
    CHECK(printed.find("[remote-proxies.x]\naddr = \"c:1\"\nencryption = \"off\"\n") !=
          std::string::npos);
    const auto again = configured<OriginOptions>(printed);
    CHECK(again.problems == "");
    CHECK((addresses(again.options) == Texts{"a:1", "b:1", "c:1"}));
}
