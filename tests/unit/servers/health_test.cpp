#include <doctest/doctest.h>

#include <stdexcept>
#include <string_view>

#include "origin-proxy/options/health_options.hpp"
#include "origin-proxy/servers/health.hpp"
#include "origin-proxy/servers/health_check.hpp"

using namespace tunnel;

namespace {

// For each check, '+' or '-' for a success or a failure: '.', or what it makes the server,
// 'h'ealthy or 'u'nhealthy.
std::string changes(Health health, std::string_view checks)
{
    std::string changes;
    for (const char check : checks) {
        const bool changed = health.note(check == '+');
        changes += !changed ? '.' : health.healthy() ? 'h' : 'u';
    }
    return changes;
}

HealthCheck read(std::string_view text)
{
    HealthCheck check;
    read_health_check(text, check);
    return check;
}

std::string objection(std::string_view text)
{
    try {
        read(text);
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
    return "none";
}

} // namespace

TEST_CASE("a server is healthy until so many checks in a row have failed")
{
    CHECK(Health(3, 2).healthy());
    CHECK(changes({3, 2}, "++++") == "....");
    CHECK(changes({3, 2}, "---") == "..u");
    CHECK(changes({3, 2}, "--+--+---") == "........u");
    CHECK(changes({1, 1}, "-") == "u");
}

TEST_CASE("a server is unhealthy until so many checks in a row have succeeded")
{
    CHECK(changes({3, 2}, "---++") == "..u.h");
    CHECK(changes({3, 2}, "---+-+-++") == "..u.....h");
    CHECK(changes({3, 2}, "-----++--+---") == "..u...h.....u");
    CHECK(changes({1, 1}, "-+-+") == "uhuh");
    static_assert(!Health(1, 1).note(true));
}

TEST_CASE("a health check is off, of the connection, or of a page")
{
    CHECK(read("off").kind == HealthCheck::Kind::off);
    CHECK(read("tcp").kind == HealthCheck::Kind::tcp);
    CHECK(read("http").kind == HealthCheck::Kind::http);
    CHECK(read("http").path == "/");
    CHECK(read("http:/healthz?full=1").path == "/healthz?full=1");
    CHECK(objection("http:/" + std::string(1023, 'n')) == "none");
    for (const std::string& text :
         {std::string(""), std::string("TCP"), std::string("http:"), std::string("http:healthz"),
          std::string("https:/"), std::string("http:/a b"), std::string("http:/a\r\nX: y"),
          std::string("http:/\xc3\xa4"), std::string("http:/a\0", 8),
          "http:/" + std::string(1024, 'n')}) {
        CAPTURE(text);
        CHECK(objection(text).find("is not off, tcp, http or http:/path") != std::string::npos);
    }
    CHECK(objection("http://localhost:80/well").find("did you mean http:/well?") !=
          std::string::npos);
    CHECK(objection("http://localhost").find("did you mean http:/?") != std::string::npos);
}

TEST_CASE("a request for a page names the server as it is configured")
{
    const auto host = [](const ServerAddress& server) {
        const std::string request = http_request(server, "/healthz");
        const std::string_view before = "GET /healthz HTTP/1.1\r\nHost: ";
        CHECK(request.starts_with(before));
        CHECK(request.ends_with("\r\n\r\n"));
        return request.substr(before.size(), request.find('\r', before.size()) - before.size());
    };
    CHECK(host({"app.internal", 8000}) == "app.internal:8000");
    CHECK(host({"::1", 80}) == "[::1]:80");
    CHECK(host({"", 8000}) == "localhost:8000");
    CHECK(host(ServerAddress::unix_socket("/run/app.sock")) == "localhost");
}
