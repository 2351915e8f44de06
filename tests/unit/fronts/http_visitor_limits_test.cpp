// What visitors of the HTTP address cannot exceed.
#include <doctest/doctest.h>

#include <list>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "tests/unit/fronts/http_house.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

TEST_CASE("whoever sends a body without an end has time to read the answer, and not more")
{
    HttpLimits limits;
    limits.farewell = 300ms;
    HttpHouse house(limits);
    tcp::socket visitor = house.arrive();
    write(visitor,
          "POST / HTTP/1.1\r\nHost: app.example.com\r\nTransfer-Encoding: chunked\r\n\r\n");
    const auto began = Clock::now();
    std::size_t sent = 0;
    std::string all;
    bool sender_ended = false;
    bool reader_ended = false;
    const std::string piece(16 * 1024, 'x');
    const auto send = [&]() -> awaitable<void> {
        std::error_code error;
        while (!error)
            sent += co_await asio::async_write(visitor, asio::buffer(piece),
                                               redirect_error(use_awaitable, error));
    };
    const auto receive = [&]() -> awaitable<void> {
        std::error_code error;
        co_await asio::async_read(visitor, asio::dynamic_buffer(all),
                                  redirect_error(use_awaitable, error));
    };
    asio::co_spawn(house.io, send(), [&](const std::exception_ptr&) { sender_ended = true; });
    asio::co_spawn(house.io, receive(), [&](const std::exception_ptr&) { reader_ended = true; });
    REQUIRE(run_until(house.io, [&] { return sender_ended && reader_ended; }));
    CHECK(count(all, "HTTP/1.1 308 ") == 1);
    CHECK(Clock::now() - began >= 290ms);
    CHECK(sent > 64 * 1024);
    CHECK(house.visitors.size() == 0);
}

TEST_CASE("a head that dribbles in ends at the deadline for all of it")
{
    HttpHouse house(with_head(200ms));
    tcp::socket visitor = house.arrive();
    const auto began = Clock::now();
    write(visitor, "GET / HTTP/1.1\r\nHost: app.example.com\r\nX: ");
    bool ended = false;
    const auto dribble = [&]() -> awaitable<void> {
        while (!ended) {
            std::error_code error;
            co_await asio::async_write(visitor, asio::buffer("x", 1),
                                       redirect_error(use_awaitable, error));
            co_await sleep_for(5ms);
        }
    };
    asio::co_spawn(house.io, dribble(), [](const std::exception_ptr&) {});
    const std::string all = house.rest(visitor);
    ended = true;
    CHECK(all.starts_with("HTTP/1.1 408 "));
    CHECK(Clock::now() - began >= 190ms);
    CHECK(house.visitors.counts().timeout == 1);
    CHECK(house.bad.size() == 1);
}

TEST_CASE("a visitor who says nothing is closed at the deadline, without a word")
{
    HttpHouse house(with_head(50ms));
    tcp::socket visitor = house.arrive();
    CHECK(house.rest(visitor) == "");
    CHECK(house.visitors.counts().timeout == 1);
    CHECK(house.bad.empty()); // browsers do that
}

TEST_CASE("a connection that was used is closed when it has been idle for long")
{
    HttpLimits limits;
    limits.idle = 50ms;
    HttpHouse house(limits);
    tcp::socket visitor = house.arrive();
    write(visitor, get("/"));
    CHECK(count(house.rest(visitor), "HTTP/1.1 ") == 1);
    CHECK(house.visitors.counts().timeout == 0);
}

TEST_CASE("a visitor who does not read its answers is given up")
{
    HttpHouse house(with_head(100ms));
    house.challenges.put("token", std::string(4096, 'a'));
    house.acceptor.set_option(asio::socket_base::send_buffer_size(4096));
    tcp::socket visitor = house.arrive();
    visitor.set_option(asio::socket_base::receive_buffer_size(4096));
    std::string requests;
    for (int i = 0; i < 99; ++i)
        requests += "GET /.well-known/acme-challenge/token HTTP/1.1\r\nHost: a\r\n\r\n";
    write(visitor, requests);
    CHECK(run_until(house.io, [&] { return house.visitors.size() == 0; }));
}

TEST_CASE("a thousand silent visitors take no place from one who asks")
{
    HttpLimits limits;
    limits.connections = 64;
    HttpHouse house(limits);
    std::list<tcp::socket> silent;
    for (int i = 0; i < 1000; ++i) {
        silent.push_back(house.arrive());
        house.io.poll();
        CHECK(house.visitors.size() <= 64);
    }
    CHECK(house.visitors.size() == 64);
    CHECK(house.bad.size() == 1000 - 64);
    CHECK(count(house.ask(get("/", "Connection: close\r\n")), "HTTP/1.1 308 ") == 1);
    CHECK(house.sees_end(silent.front()));
}

TEST_CASE("whoever opens many connections pushes out only his own")
{
    HttpLimits limits;
    limits.connections = 8;
    HttpHouse house(limits);
    tcp::socket other = house.arrive("127.0.0.2");
    std::list<tcp::socket> many;
    for (int i = 0; i < 100; ++i)
        many.push_back(house.arrive("127.0.0.3"));
    write(other, get("/"));
    CHECK(count(house.answers(other), "HTTP/1.1 308 ") == 1);
    CHECK(house.visitors.size() == 8);
}

TEST_CASE("of one address the connection goes that was answered longest ago or never")
{
    HttpLimits limits;
    limits.connections = 2;
    HttpHouse house(limits);
    tcp::socket used = house.arrive();
    tcp::socket silent = house.arrive();
    write(used, get("/"));
    CHECK(count(house.answers(used), "HTTP/1.1 308 ") == 1);
    house.io.poll(); // to where it waits for the next request
    tcp::socket next = house.arrive();
    CHECK(house.sees_end(silent));
    write(used, get("/"));
    CHECK(count(house.answers(used), "HTTP/1.1 308 ") == 1);
}

TEST_CASE("visitors who leave at any point leave nothing behind")
{
    HttpHouse house;
    for (const std::string_view bytes :
         {"", "GET", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: app.example.com\r\n\r\n",
          "POST / HTTP/1.1\r\nHost: app.example.com\r\nContent-Length: 9\r\n\r\nab"}) {
        for (const bool resets : {false, true}) {
            tcp::socket visitor = house.arrive();
            write(visitor, bytes);
            house.io.poll();
            if (resets)
                reset(visitor);
            else
                visitor.close();
            CHECK(run_until(house.io, [&] { return house.visitors.size() == 0; }));
        }
    }
    CHECK(house.visitors.counts().timeout == 0);
}

TEST_CASE("a head that begins after a long pause has no more time than any other")
{
    HttpHouse house(with_head(100ms));
    tcp::socket visitor = house.arrive();
    write(visitor, get("/"));
    CHECK(count(house.answers(visitor), "HTTP/1.1 308 ") == 1); // now it may be idle for a minute
    REQUIRE(run_until(house.io, [&] { return house.sleeps_until > Clock::now() + 10s; }));
    const auto began = Clock::now();
    write(visitor, "GET / HTTP/1.1\r\n");
    CHECK(house.rest(visitor).starts_with("HTTP/1.1 408 "));
    CHECK(Clock::now() - began >= 90ms);
}
