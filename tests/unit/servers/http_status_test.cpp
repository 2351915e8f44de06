#include <doctest/doctest.h>

#include <string>

#include "origin-proxy/servers/http_status.hpp"

using namespace tunnel;

TEST_CASE("the status of an HTTP answer is in its first line")
{
    CHECK(http_status("HTTP/1.1 200 OK\r\nServer: x\r\n\r\nbody") == 200);
    CHECK(http_status("HTTP/1.0 503 Service Unavailable\r\n") == 503);
    CHECK(http_status("HTTP/1.1 302\r\n") == 302);
    CHECK(http_status("HTTP/1.1 204 \r\n") == 204);
    CHECK(http_status("HTTP/1.1 599 HTTP/1.1 200\r\n") == 599);
}

TEST_CASE("the first line is told once it is whole, and not before")
{
    const std::string line = "HTTP/1.1 200 OK\r\n";
    for (std::size_t size = 0; size < line.size(); ++size) {
        CAPTURE(size);
        CHECK(http_status(line.substr(0, size)) == std::nullopt);
    }
}

TEST_CASE("what says that the answer is yet to come is skipped")
{
    const std::string early = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    CHECK(http_status(early) == std::nullopt);
    CHECK(http_status(early + "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\n") == 404);
    CHECK(http_status(early + "SSH-2.0-OpenSSH") == 0);
    CHECK(http_status("HTTP/1.1 101 Switching Protocols\r\n\r\nHTTP/1.1 200 OK\r\n") == 0);
}

TEST_CASE("what is no HTTP answer is told as soon as it shows")
{
    for (const auto bytes : {"S", "SSH-2.0-OpenSSH_9.2\r\n", "HTTP/2", "http/1.1 200 OK\r\n",
                             "HTTP/1.1  200 OK\r\n", "HTTP/1.1 20x OK\r\n", "HTTP/1.1 2000 OK\r\n",
                             "HTTP/1.1 099 OK\r\n", "HTTP/1.1 600 OK\r\n", "HTTP/1.1 200\n\r\n",
                             "HTTP/1,1 200 OK\r\n", "\r\nHTTP/1.1 200 OK\r\n"}) {
        CAPTURE(bytes);
        CHECK(http_status(bytes) == 0);
    }
}

TEST_CASE("a server that shows the page, or says where it is, is healthy")
{
    for (const int status : {200, 204, 299, 301, 302, 304, 399})
        CHECK(is_healthy(status));
    for (const int status : {0, 100, 199, 400, 404, 500, 503})
        CHECK_FALSE(is_healthy(status));
}
