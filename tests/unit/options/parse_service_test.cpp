#include <doctest/doctest.h>

#include <stdexcept>
#include <string>

#include "origin-proxy/options/parse_service.hpp"
#include "origin-proxy/options/servers.hpp"

using namespace tunnel;

namespace {

OriginService one(std::string_view text)
{
    const auto services = parse_service(text);
    REQUIRE(services.size() == 1);
    return services.front();
}

// What parse_service() says against it.
std::string objection(std::string_view text)
{
    try {
        parse_service(text);
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
    return "none";
}

bool contains(const std::string& text, std::string_view part)
{
    return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("a service is a name, a server, and where visitors connect to")
{
    CHECK(one("web=localhost:8000") == OriginService{"web", {"localhost", 8000}});
    CHECK(one("web=:8000@80") == OriginService{"web", {"", 8000}, Address{"", 80}});
    CHECK(one("web=:8000@:80") == OriginService{"web", {"", 8000}, Address{"", 80}});
    CHECK(one("web=:8000@0") == OriginService{"web", {"", 8000}, Address{"", 0}});
    CHECK(one("a.b_c-9=[::1]:22@192.0.2.1:2222") ==
          OriginService{"a.b_c-9", {"::1", 22}, Address{"192.0.2.1", 2222}});
    CHECK(one("x=my-host:1@[2001:db8::1]:0") ==
          OriginService{"x", {"my-host", 1}, Address{"2001:db8::1", 0}});
    CHECK(one(std::string(64, 'n') + "=a:1").name.size() == 64);
}

TEST_CASE("a range of ports is a service for each, side by side")
{
    const auto games = parse_service("games=localhost:30000-30010@20000-20010");
    REQUIRE(games.size() == 11);
    CHECK(games.front() == OriginService{"games[0]", {"localhost", 30000}, Address{"", 20000}});
    CHECK(games.back() == OriginService{"games[10]", {"localhost", 30010}, Address{"", 20010}});
    CHECK(parse_service("a=[::1]:1-2@[::]:3-4").back() ==
          OriginService{"a[1]", {"::1", 2}, Address{"::", 4}});
    CHECK(parse_service("a=b:65535-65535").front() == OriginService{"a[0]", {"b", 65535}});
    CHECK(parse_service("a=b:1-1000@1001-2000").size() == most_services);
}

TEST_CASE("ranges that do not fit each other, or are too large, are refused")
{
    CHECK(contains(objection("a=b:1-2@1-3"), "has 3 ports outside for 2 of the origin server"));
    for (const auto text : {"a=b:1-2@1", "a=b:1@1-2", "a=b:1-2@0", "a=b:1@1-1"}) {
        CAPTURE(text);
        CHECK(contains(objection(text), "has a range of ports on one side only"));
    }
    for (const auto text : {"a=b:2-1", "a=b:0-1", "a=b:1-2@0-1", "a=b:1-", "a=b:1-65536",
                            "a=b:1-2-3", "a=b:1--2", "a=b:1-+2", "a=b:1- 2", "a=b:1-2x"}) {
        CAPTURE(text);
        CHECK(contains(objection(text), "ports side by side, which begin at 1 or above"));
    }
    CHECK(contains(objection("a=b:1-1001"), "is not 1000 ports or fewer"));
    CHECK(contains(objection("a=b:1-1000@1-1001"), "is not 1000 ports or fewer"));
}

TEST_CASE("a service whose name is none is refused")
{
    for (const auto text :
         {"=a:1", " web=a:1", "web =a:1", "we/b=a:1", "web[0]=a:1", "w\xc3\xa4=a:1", "\n=a:1"}) {
        CAPTURE(text);
        CHECK(contains(objection(text), "is no name of a service"));
    }
    CHECK(contains(objection(std::string(65, 'n') + "=a:1"), "is no name of a service"));
}

TEST_CASE("a service without a proper address is refused, and told which part is wrong")
{
    for (const auto text : {"", "web", "localhost:8000", "web:8000@80"}) {
        CAPTURE(text);
        CHECK(contains(objection(text), "is not a service such as"));
    }
    CHECK(contains(objection("web=localhost"), "\"localhost\" is not an address"));
    for (const auto text :
         {"web=", "web=8000", "web=a:", "web=a:-1", "web=a:x", "web=a:65536", "web=::1:80",
          "web=a=b:1", "web=a:1@", "web=a:1@b:", "web=a:1@80@81", "web=a:1@65536", "web=a:1@-1"}) {
        CAPTURE(text);
        CHECK(contains(objection(text), "is not an address"));
    }
    for (const auto text : {"web=a:1@b", "web=a:1@https:b", "web=a:1@https:/B"}) {
        CAPTURE(text);
        CHECK(contains(objection(text), "did you mean @https://b, @http://b or @tls://b?"));
    }
    CHECK(contains(objection("web=a:0"), "port 0"));
    CHECK_FALSE(contains(objection("w\n=a:1"), "\n"));
}

TEST_CASE("a service may be at a Unix socket, whose path ends at the last @")
{
    const auto web = [](const char* path, std::optional<Address> outside = {}) {
        return OriginService{"web", ServerAddress::unix_socket(path), std::move(outside)};
    };
    CHECK(one("web=unix:/run/app.sock") == web("/run/app.sock"));
    CHECK(one("web=unix:/run/app.sock@9000") == web("/run/app.sock", Address{"", 9000}));
    CHECK(one("web=unix:/a@b:1@[::]:0") == web("/a@b:1", Address{"::", 0}));
    CHECK(one("web=unix:80@81") == OriginService{"web", {"unix", 80}, Address{"", 81}});
    CHECK(parse_service("web=unix:80-81").size() == 2);
}

TEST_CASE("what is wrong with a service at a Unix socket is told")
{
    CHECK(contains(objection("web=unix:app.sock@80"), "\"unix:app.sock\" has no absolute path"));
    CHECK(contains(objection("web=unix:/" + std::string(107, 'n')), "107 are the most"));
    CHECK(contains(objection("web=unix:/a@1-2"), "has a range of ports for a Unix socket"));
    CHECK(contains(objection("web=unix:/a@1-1"), "has a range of ports for a Unix socket"));
    CHECK(contains(objection("web=unix:/a@b.sock"), "is not an address"));
}

TEST_CASE("two services of one name, or too many, contradict each other")
{
    const OriginService web{"web", {"a", 1}};
    CHECK(contradiction({}) == "");
    CHECK(contradiction({web, {"mail", {"a", 1}}}) == "");
    CHECK(contradiction({web, {"mail", {"a", 1}}, {"web", {"b", 2}}}) ==
          "there are two services web");
    auto many = parse_service("a=b:1-1000");
    CHECK(contradiction(many) == "");
    many.push_back(web);
    CHECK(contains(contradiction(many), "1001 services"));
}
