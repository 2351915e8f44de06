// The HTTP address as visitors meet it, over loopback.
#include <doctest/doctest.h>

#include <algorithm>
#include <list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "common/transport/socket.hpp"
#include "remote-proxy/fronts/http_visitors.hpp"
#include "tests/unit/fronts/challenges.hpp"
#include "tests/unit/io.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

HostKnown find_app(std::string_view host)
{
    return {host == "app.example.com" ? HostKnown::By::https : HostKnown::By::nobody};
}

std::string get(std::string_view target, std::string_view headers = "")
{
    return fmt::format("GET {} HTTP/1.1\r\nHost: app.example.com\r\n{}\r\n", target, headers);
}

std::size_t count(std::string_view text, std::string_view part)
{
    std::size_t found = 0;
    for (std::size_t at = text.find(part); at != std::string_view::npos;
         at = text.find(part, at + part.size()))
        ++found;
    return found;
}

bool ends(const std::error_code& error)
{
    return error == asio::error::eof || error == asio::error::connection_reset;
}

// A front, and its visitors.
class House {
public:
    explicit House(const HttpLimits& limits = {})
        : visitors({io, tasks, &webroot},
                   {find_app,
                    [this](std::string_view peer, std::string_view why) {
                        bad.push_back(fmt::format("{} {}", peer, why));
                    }},
                   8443, limits)
    {
    }

    ~House()
    {
        tasks.cancel();
        CHECK(runs_dry(io));
        CHECK(visitors.size() == 0);
    }

    tcp::socket arrive(std::string_view from = "127.0.0.1")
    {
        tcp::socket visitor(io, tcp::v4());
        visitor.bind({asio::ip::make_address(from), 0});
        visitor.connect(acceptor.local_endpoint());
        tcp::endpoint peer;
        tcp::socket accepted = acceptor.accept(peer);
        visitors.serve(release(std::move(accepted)), peer);
        return visitor;
    }

    // All that comes until the front ends the connection.
    std::string rest(tcp::socket& visitor, std::error_code* end = nullptr)
    {
        std::string all;
        std::error_code error;
        run(io, [&]() -> awaitable<void> {
            co_await asio::async_read(visitor, asio::dynamic_buffer(all),
                                      redirect_error(use_awaitable, error));
        });
        CHECK(ends(error));
        if (end != nullptr)
            *end = error;
        return all;
    }

    // The next answers, as many as that.
    std::string answers(tcp::socket& visitor, std::size_t number = 1)
    {
        std::string all;
        run(io, [&]() -> awaitable<void> {
            std::array<char, 4096> buffer;
            while (count(all, "\r\n\r\n") < number) {
                const std::size_t size =
                    co_await visitor.async_read_some(asio::buffer(buffer), use_awaitable);
                all.append(buffer.data(), size);
            }
        });
        return all;
    }

    std::string ask(std::string_view bytes)
    {
        tcp::socket visitor = arrive();
        write(visitor, bytes);
        return rest(visitor);
    }

    bool sees_end(tcp::socket& visitor)
    {
        char byte = 0;
        const auto failure =
            failure_of(io, visitor.async_read_some(asio::buffer(&byte, 1), use_awaitable));
        return ends(failure.code());
    }

    asio::io_context io;
    TaskGroup tasks{io.get_executor()};
    Challenges challenges;
    AcmeWebroot webroot{io, challenges.root};
    std::vector<std::string> bad;
    HttpVisitors visitors;
    tcp::acceptor acceptor{io, loopback()};
};

HttpLimits with_head(Clock::duration head)
{
    HttpLimits limits;
    limits.head = head;
    return limits;
}

} // namespace

TEST_CASE("a visitor of a name that https has is sent there, and may ask again")
{
    House house;
    tcp::socket visitor = house.arrive();
    for (int i = 0; i < 3; ++i) {
        write(visitor, get("/a?b"));
        const std::string answer = house.answers(visitor);
        CHECK(answer.starts_with("HTTP/1.1 308 Permanent Redirect\r\n"));
        CHECK(count(answer, "\r\nLocation: https://app.example.com:8443/a?b\r\n") == 1);
        CHECK(count(answer, "Connection: close") == 0);
    }
    CHECK(house.visitors.counts().redirected == 3);
    CHECK(house.visitors.size() == 1);
    CHECK(house.bad.empty());
}

TEST_CASE("requests that come together are answered in their order")
{
    House house;
    const std::string all = house.ask(get("/one") + get("/two") + "\r\n" +
                                      get("/three", "Connection: close\r\n") + get("/four"));
    CHECK(count(all, "HTTP/1.1 308 ") == 3);
    CHECK(all.find("/one\r\n") < all.find("/two\r\n"));
    CHECK(all.find("/two\r\n") < all.find("/three\r\n"));
    CHECK(count(all, "/four") == 0);
    CHECK(count(all, "Connection: close") == 1);
}

TEST_CASE("a connection ends after as many requests as it may bring, and says so")
{
    House house;
    std::string requests;
    for (int i = 0; i < 110; ++i)
        requests += get("/");
    const std::string all = house.ask(requests);
    CHECK(count(all, "HTTP/1.1 308 ") == 100);
    CHECK(count(all, "Connection: close") == 1);
}

TEST_CASE("an answer to HEAD has no body")
{
    House house;
    const std::string all =
        house.ask("HEAD / HTTP/1.1\r\nHost: app.example.com\r\nConnection: close\r\n\r\n");
    CHECK(all.ends_with("\r\n\r\n"));
    CHECK(count(all, "\r\n\r\n") == 1);
    CHECK(count(all, "Content-Length: 0\r\n") == 0);
    CHECK(count(all, "Content-Length: ") == 1);
}

TEST_CASE("a visitor of HTTP/1.0 is answered, and keeps the connection only by asking for it")
{
    House house;
    CHECK(house.ask("GET / HTTP/1.0\r\n\r\n").starts_with("HTTP/1.1 404 "));
    tcp::socket visitor = house.arrive();
    write(visitor, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    CHECK(count(house.answers(visitor), "Connection: keep-alive\r\n") == 1);
    CHECK(house.visitors.counts().unknown_host == 2);
}

TEST_CASE("a visitor who finishes sending still gets the answer")
{
    House house;
    tcp::socket visitor = house.arrive();
    write(visitor, get("/"));
    visitor.shutdown(tcp::socket::shutdown_send);
    CHECK(count(house.rest(visitor), "308 Permanent Redirect") >= 1);
}

TEST_CASE("an ACME challenge is answered out of the webroot")
{
    House house;
    house.challenges.put("token", "token.thumbprint");
    const std::string request = "GET /.well-known/acme-challenge/{} HTTP/1.1\r\nHost: 192.0.2.1\r\n"
                                "Connection: close\r\n\r\n";
    const std::string there = house.ask(fmt::format(fmt::runtime(request), "token"));
    CHECK(there.starts_with("HTTP/1.1 200 OK\r\n"));
    CHECK(there.ends_with("\r\n\r\ntoken.thumbprint"));
    CHECK(house.ask(fmt::format(fmt::runtime(request), "other")).starts_with("HTTP/1.1 404 "));
    CHECK(house.bad.empty());
    std::filesystem::create_symlink("/etc/hostname", house.challenges.folder / "link");
    CHECK(house.ask(fmt::format(fmt::runtime(request), "link")).starts_with("HTTP/1.1 404 "));
    CHECK(house.bad.size() == 1); // the operator wants to know
    CHECK(house.visitors.counts().acme == 3);
}

TEST_CASE("a large body is not read, and the answer is not lost to a reset")
{
    House house;
    tcp::socket visitor = house.arrive();
    const std::string body(50'000, 'x');
    write(visitor, fmt::format("POST /form HTTP/1.1\r\nHost: app.example.com\r\n"
                               "Content-Length: {}\r\n\r\n{}",
                               body.size(), body));
    std::error_code end;
    const std::string all = house.rest(visitor, &end);
    CHECK(count(all, "HTTP/1.1 308 ") == 1);
    CHECK(count(all, "Location: https://app.example.com:8443/form\r\n") == 1);
    CHECK(count(all, "Connection: close\r\n") == 1);
    CHECK(end == asio::error::eof);
    visitor.close();
    CHECK(run_until(house.io, [&] { return house.visitors.size() == 0; }));
}

TEST_CASE("whoever sends a body without an end has time to read the answer, and not more")
{
    HttpLimits limits;
    limits.farewell = 300ms;
    House house(limits);
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

TEST_CASE("TLS at the HTTP address hears what is wrong")
{
    House house;
    const std::string all = house.ask(std::string_view("\x16\x03\x01\x02\x00\x01\x00", 7));
    CHECK(all.starts_with("HTTP/1.1 400 "));
    CHECK(count(all, "this port speaks HTTP, not TLS") == 1);
    CHECK(house.bad.size() == 1);
    CHECK(house.visitors.counts().bad_request == 1);
}

TEST_CASE("what is no request is answered once, and nothing after it is")
{
    House house;
    const std::string all = house.ask(get("/") + "nonsense\r\n\r\n" + get("/"));
    CHECK(count(all, "HTTP/1.1 308 ") == 1);
    CHECK(count(all, "HTTP/1.1 400 ") == 1);
    CHECK(house.ask(get("/" + std::string(9000, 'a'))).starts_with("HTTP/1.1 431 "));
}

TEST_CASE("a head that dribbles in ends at the deadline for all of it")
{
    House house(with_head(200ms));
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
    House house(with_head(50ms));
    tcp::socket visitor = house.arrive();
    CHECK(house.rest(visitor) == "");
    CHECK(house.visitors.counts().timeout == 1);
    CHECK(house.bad.empty()); // browsers do that
}

TEST_CASE("a connection that was used is closed when it has been idle for long")
{
    HttpLimits limits;
    limits.idle = 50ms;
    House house(limits);
    tcp::socket visitor = house.arrive();
    write(visitor, get("/"));
    CHECK(count(house.rest(visitor), "HTTP/1.1 ") == 1);
    CHECK(house.visitors.counts().timeout == 0);
}

TEST_CASE("a visitor who does not read its answers is given up")
{
    House house(with_head(100ms));
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
    House house(limits);
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
    House house(limits);
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
    House house(limits);
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
    House house;
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
