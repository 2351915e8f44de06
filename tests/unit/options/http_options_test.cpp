// What both programs are told of services whose visitors speak HTTP.
#include <doctest/doctest.h>

#include <fmt/format.h>

#include "tests/support/temporary_file.hpp"
#include "tests/unit/command_line.hpp"
#include "tests/unit/configured.hpp"

using namespace tunnel;
using namespace tunnel::test;

namespace {

constexpr std::string_view hash = "$2y$05$abcdefghijklmnopqrstuu5HM8JeNMgLXTrNBnAoeJk4rSpKPQNlu";

using Lines = std::vector<std::string>;

std::string line_of(std::string_view name)
{
    return fmt::format("{}:{}", name, hash);
}

Parsed<OriginOptions> origin(const std::vector<const char*>& arguments)
{
    std::vector<const char*> all{"--remote-proxy-addr=example.com:9001"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return parsed<OriginOptions>(all);
}

Parsed<RemoteOptions> remote(const std::vector<const char*>& arguments)
{
    std::vector<const char*> all{"--control-addr=:9001"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return parsed<RemoteOptions>(all);
}

bool contains(std::string_view text, std::string_view part)
{
    return text.find(part) != std::string_view::npos;
}

// The only service of the origin proxy.
OriginService only(const OriginOptions& options)
{
    REQUIRE(options.services.size() == 1);
    return options.services[0];
}

} // namespace

// ---- Where visitors speak HTTP

TEST_CASE("visitors at a port of its own speak HTTP where http:// stands before it")
{
    for (const auto* const text : {"--service=a=:1@http://:8080", "--service=a=:1@http://:8080/"}) {
        const OriginService service = only(origin({text}).options);
        CHECK(service.speaks_http);
        CHECK(service.is_http());
        CHECK(service.outside_address == Address{"", 8080});
        CHECK_FALSE(service.names.given());
    }
    CHECK(only(origin({"--service=a=:1@http://127.0.0.1:0"}).options).outside_address ==
          Address{"127.0.0.1", 0});
    CHECK(only(origin({"--service=a=:1@http://[::1]:1"}).options).outside_address ==
          Address{"::1", 1});
    CHECK_FALSE(only(origin({"--service=a=:1@8080"}).options).is_http());
    const auto range = origin({"--service=a=:1-2@http://:7-8"}).options.services;
    REQUIRE(range.size() == 2);
    CHECK(range[1].speaks_http);
    CHECK(range[1].outside_address == Address{"", 8});
    const auto at_remote = remote({"--service=a=http://:8080"}).options.services.at(0);
    CHECK(at_remote.speaks_http);
    CHECK(at_remote.outside_address == Address{"", 8080});
}

TEST_CASE("https:// and a port is no address, and what to write instead is said")
{
    for (const auto* const text : {":8443", "127.0.0.1:8443", "localhost:8443"}) {
        CAPTURE(text);
        const auto refused = origin({fmt::format("--service=a=:1@https://{}", text).c_str()});
        CHECK(refused.code == 2);
        CHECK(contains(refused.err,
                       fmt::format("expected https://NAME on the remote proxy's --https-addr, "
                                   "http://{0}, or {0} where the origin server speaks TLS itself",
                                   text)));
    }
    CHECK(contains(origin({"--service=a=:1@http://app.example.com:80"}).err,
                   "the remote proxy's --http-addr says which it is: leave it out"));
}

TEST_CASE("a table says in two keys, too, that visitors of a port speak HTTP")
{
    const auto result = remote_with("[services.a]\noutside = \":8080\"\nkind = \"http\"\n"
                                    "[services.b]\noutside = \"http://:8081\"\n");
    CHECK(result.problems == "");
    for (const RemoteService& each : result.options.services)
        CHECK(each.speaks_http);
    CHECK(remote_with("[services.a]\noutside = \"http://:1\"\nkind = \"tcp\"\n")
              .says("services.a is of the kind tcp and outside says http: give one"));
}

TEST_CASE("names of HTTP need an address for it, and not one of TLS")
{
    const auto result = remote({"--http-addr=:80", "--domain=d.example", "--service=a=http://app"});
    CHECK(result.err == "");
    CHECK(
        (result.options.services.at(0).names == PublicNames{ServiceKind::http, {"app.d.example"}}));
    CHECK(contains(remote({"--https-addr=:443", "--service=a=http://app"}).err,
                   "give --http-addr too"));
    CHECK(remote({"--http-addr=:80", "--domain=d.example"}).code == std::nullopt);
    CHECK(remote({"--https-addr=:443", "--http-addr=:80", "--service=a=http://x.example",
                  "--service=b=tls://x.example"})
              .code == std::nullopt); // not at the same address
    CHECK(contains(
        remote({"--http-addr=:80", "--service=a=http://x.example", "--service=b=http://x.example"})
            .err,
        "the services a and b have the same host x.example"));
}

TEST_CASE("the remote proxy is told of redirects, pages and a log of requests")
{
    const auto result = remote({"--https-addr=:443", "--http-addr=:80", "--domain=d.example",
                                "--https-redirect", "--error-pages=pages", "--access-log"});
    CHECK(result.code == std::nullopt);
    CHECK(result.options.fronts.https_redirect);
    CHECK(result.options.fronts.error_pages == "pages");
    CHECK(result.options.fronts.access_log);
    CHECK(contains(remote({"--http-addr=:80", "--domain=d.example", "--https-redirect"}).err,
                   "--https-redirect sends visitors from --http-addr to --https-addr: give both"));
}

// ---- What is offered

TEST_CASE("what is said of HTTP goes into the offer of a service whose visitors speak it")
{
    const auto service =
        only(origin({"--service=a=:1@https://app", "--host-header=localhost:5173"}).options);
    CHECK(service.http.host_header == "localhost:5173");
    CHECK(service.http.shares_streams);
    CHECK(only(origin({"--service=a=:1@2"}).options).http == HttpSettings());
    CHECK_FALSE(
        only(origin({"--service=a=:1@https://app", "--reuse=false"}).options).http.shares_streams);
}

TEST_CASE("it is offered, too, where the remote proxy says what the visitors speak")
{
    const TemporaryFile file(line_of("ann") + "\n");
    auto result = origin({"--service=a=:1", "--service=b=:2@https://b", "--host-header=localhost",
                          fmt::format("--basic-auth-file={}", file.path()).c_str()});
    CHECK(result.err == "");
    CHECK(result.code == std::nullopt);
    read_logins(result.options);
    for (const OriginService& each : result.options.services)
        CHECK((each.http == HttpSettings{"localhost", true, {line_of("ann")}}));
    const auto of_file = origin_with("[services.a]\norigin-server-addr = \":1\"\nreuse = false\n"
                                     "host-header = \"localhost\"\n");
    CHECK(of_file.problems == "");
    CHECK((only(of_file.options).http == HttpSettings{"localhost", false}));
    CHECK(origin_with("[services.a]\norigin-server-addr = \":1\"\nkind = \"http\"\n")
              .complains_of(2, "has no hosts, expected hosts = [\"NAME\"]; or leave kind out, if "
                               "the options of the remote proxy say where it is"));
}

TEST_CASE("connections that begin with the address of one visitor are not shared")
{
    const auto service =
        only(origin({"--service=a=:1@https://app", "--proxy-protocol=v2"}).options);
    CHECK_FALSE(service.http.shares_streams);
}

TEST_CASE("a table says what holds for its service, and else it is what the flags say")
{
    const auto result = origin_with(
        "host-header = \"localhost\"\n"
        "[services.a]\norigin-server-addr = \":1\"\noutside = \"http://a\"\n"
        "[services.b]\norigin-server-addr = \":2\"\noutside = \"http://:7\"\nreuse = false\n"
        "host-header = \"b.example:1\"\n"
        "[services.c]\norigin-server-addr = \":3\"\noutside = \":8\"\n");
    CHECK(result.problems == "");
    const auto& services = result.options.services;
    REQUIRE(services.size() == 3);
    CHECK((services[0].http == HttpSettings{"localhost", true}));
    CHECK((services[1].http == HttpSettings{"b.example:1", false}));
    CHECK((services[2].http == HttpSettings()));
}

TEST_CASE("what is for visitors who speak HTTP is refused where they do not")
{
    for (const auto* const key :
         {"host-header = \"a\"", "basic-auth-file = \"f\"", "reuse = true"}) {
        CAPTURE(key);
        const auto at_origin = origin_with(
            fmt::format("[services.a]\norigin-server-addr = \":1\"\noutside = \":2\"\n{}\n", key));
        CHECK(at_origin.complains_of(5, "of services.a is for visitors who speak HTTP"));
        if (std::string_view(key).starts_with("reuse"))
            continue;
        CHECK(remote_with(fmt::format("[services.a]\noutside = \":2\"\n{}\n", key))
                  .complains_of(4, "of services.a is for visitors who speak HTTP"));
    }
    for (const auto* const flag : {"--host-header=a", "--basic-auth-file=f"}) {
        CAPTURE(flag);
        CHECK(contains(origin({"--service=a=:1@2", flag}).err, "speak HTTP"));
        CHECK(contains(origin({"--origin-server-addr=:1", flag}).err, "speak HTTP"));
    }
}

TEST_CASE("a login for all services is not given where some of them would have none")
{
    const auto refused =
        origin({"--service=a=:1@https://app", "--service=ssh=:22@2222", "--basic-auth-file=f"});
    CHECK(refused.code == 2);
    CHECK(contains(refused.err, "and ssh is none of them: give it in the tables"));
    CHECK(
        origin({"--service=a=:1@https://app", "--service=ssh=:22@2222", "--host-header=a"}).code ==
        std::nullopt);
}

TEST_CASE("a host header that is none is refused when it is read")
{
    CHECK(contains(origin({"--service=a=:1@https://app", "--host-header=a b"}).err,
                   "--host-header (or ORIGIN_PROXY_HOST_HEADER): \"a b\" is no host"));
}

// ---- Logins

TEST_CASE("logins are read out of their files, and go into the offer")
{
    const TemporaryFile file("# us\n" + line_of("ann") + "\n" + line_of("bob") + "\n");
    auto result = origin({"--service=a=:1@https://app", "--service=b=:1@http://:7",
                          fmt::format("--basic-auth-file={}", file.path()).c_str()});
    CHECK(result.code == std::nullopt);
    read_logins(result.options);
    for (const OriginService& each : result.options.services)
        CHECK(each.http.logins == Lines{line_of("ann"), line_of("bob")});
}

TEST_CASE("the remote proxy's own services have logins out of their files")
{
    const TemporaryFile file(line_of("ann") + "\n");
    auto result = remote_with(fmt::format(
        "[services.a]\noutside = \"http://:2\"\nbasic-auth-file = \"{}\"\nhost-header = \"b\"\n"
        "[services.c]\noutside = \":3\"\n",
        file.path()));
    CHECK(result.problems == "");
    read_logins(result.options);
    CHECK((result.options.services.at(0).http == HttpSettings{"b", false, {line_of("ann")}}));
    CHECK((result.options.services.at(1).http == HttpSettings()));
}

TEST_CASE("a file of logins that is wrong is named with what is wrong with it")
{
    const TemporaryFile file("ann:hunter2\n");
    auto result = origin(
        {"--service=a=:1@https://app", fmt::format("--basic-auth-file={}", file.path()).c_str()});
    CHECK_THROWS_WITH_AS(read_logins(result.options), doctest::Contains(":1: "),
                         std::runtime_error);
    CHECK_THROWS_WITH_AS(read_logins(result.options), doctest::Contains(file.path().c_str()),
                         std::runtime_error);
    const auto checked =
        parsed<OriginOptions>({"check", "--remote-proxy-addr=a:1", "--service=a=:1@https://app",
                               fmt::format("--basic-auth-file={}", file.path()).c_str()});
    CHECK(checked.code == 2);
    CHECK(contains(checked.err, fmt::format("--basic-auth-file: {}:1: ", file.path())));
}

TEST_CASE("the logins of all services have a bound together, since they are offered at once")
{
    std::string text;
    for (std::size_t i = 0; i + 1 < most_logins; ++i)
        text += line_of(fmt::format("u{}", i)) + '\n';
    const TemporaryFile file(text);
    OriginOptions options;
    OriginService service{"a", {"", 1}};
    service.names = {ServiceKind::https, {"a"}};
    service.rules.http.basic_auth_file = file.path();
    const std::size_t fitting = largest_logins_of_all / text.size();
    options.services.assign(fitting, service);
    read_logins(options);
    options.services.push_back(service);
    CHECK_THROWS_WITH_AS(read_logins(options), doctest::Contains("larger than 512 KiB together"),
                         std::runtime_error);
}
