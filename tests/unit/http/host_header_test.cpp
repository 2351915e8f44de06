// What may stand in the place of a visitor's Host.
#include <doctest/doctest.h>

#include <string>

#include "common/http/host_header.hpp"
#include "common/transport/http_settings.hpp"

using namespace tunnel;

TEST_CASE("a host header is a name or an IP address, and a port behind it, perhaps")
{
    for (const std::string text :
         {"localhost", "localhost:5173", "app.example.com", "App.Example.com:80", "127.0.0.1",
          "127.0.0.1:3000", "[::1]", "[::1]:80", "my_app:65535"})
        CHECK_MESSAGE(objection_to_host_header(text) == "", text);
}

TEST_CASE("what could end a line of a request, or is none, is no host header")
{
    const std::string long_name(longest_host_header + 1, 'a');
    for (const std::string& text :
         {std::string("a\r\nX: y"), std::string("a b"), std::string(), std::string("a:"),
          std::string("a:0"), std::string("a:65536"), std::string("a:b"), std::string(":80"),
          std::string("::1"), std::string("[::1"), std::string("[a]"), std::string("a/b"),
          std::string("*.a"), std::string("u@a"), std::string("a\0", 2), std::string("a\t"),
          std::string("[fe80::1%eth0]"), std::string("127.0.0.1.:1:2"), long_name}) {
        CAPTURE(text);
        CHECK(objection_to_host_header(text).find("is no host, expected") != std::string::npos);
        CHECK(objection_to_host_header(text).find('\n') == std::string::npos);
    }
}

TEST_CASE("a host header that was meant as an address of the web is told so")
{
    CHECK(objection_to_host_header("http://localhost:3000").ends_with("without http://"));
}
