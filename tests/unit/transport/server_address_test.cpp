#include <doctest/doctest.h>

#include <stdexcept>

#include "common/transport/server_address.hpp"

using namespace tunnel;
using namespace std::string_view_literals;

namespace {

std::string objection(std::string_view text)
{
    try {
        read_server_address(text);
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
    return "none";
}

bool contains(const std::string& text, std::string_view part)
{
    return text.find(part) != std::string::npos;
}

const std::string longest = "unix:/" + std::string(106, 'n');

} // namespace

TEST_CASE("an origin server is at a TCP address or at a Unix socket, and survives being printed")
{
    CHECK(read_server_address(":8000") == ServerAddress("", 8000));
    CHECK(read_server_address("[::1]:80") == ServerAddress("::1", 80));
    CHECK(read_server_address("unix:/run/app.sock") == ServerAddress::unix_socket("/run/app.sock"));
    for (const std::string& text :
         {std::string("localhost:8000"), std::string("[::1]:80"), std::string("unix:/run/app.sock"),
          std::string("unix:/a b@c:1"), std::string("unix:/"), longest}) {
        CAPTURE(text);
        CHECK(to_string(read_server_address(text)) == text);
    }
}

TEST_CASE("a machine may be called unix")
{
    CHECK(read_server_address("unix:8000") == ServerAddress("unix", 8000));
    CHECK_FALSE(read_server_address("unix:8000").is_unix());
    CHECK_FALSE(names_unix_socket("unix:8000-8010"));
    CHECK_FALSE(names_unix_socket("unix"));
    CHECK(names_unix_socket("unix:/8000"));
}

TEST_CASE("a path that the system does not take is refused, and told why")
{
    for (const auto text : {"unix:", "unix:app.sock", "unix:./app.sock", "unix:@abstract"}) {
        CAPTURE(text);
        CHECK(contains(objection(text), "has no absolute path, expected one such as unix:/run/"));
    }
    CHECK(contains(objection("unix:/a\0b"sv), "has a zero byte"));
    CHECK(objection(longest) == "none");
    CHECK(contains(objection(longest + "n"), "has a path of 108 bytes, and 107 are the most"));
}

TEST_CASE("what is neither is told what it could be")
{
    for (const auto text : {"", "8000", "/run/app.sock", "unix", "unix:8x", "Unix:/run/app.sock"}) {
        CAPTURE(text);
        CHECK(contains(objection(text), "or a Unix socket such as unix:/run/app.sock"));
    }
}
