// What visitors of the HTTP address hear, and what services get of them.
#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include <fmt/format.h>

#include "tests/unit/fronts/http_house.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

TEST_CASE("a visitor of a name that https has is sent there, and may ask again")
{
    HttpHouse house;
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
    HttpHouse house;
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
    HttpHouse house;
    std::string requests;
    for (int i = 0; i < 110; ++i)
        requests += get("/");
    const std::string all = house.ask(requests);
    CHECK(count(all, "HTTP/1.1 308 ") == 100);
    CHECK(count(all, "Connection: close") == 1);
}

TEST_CASE("an answer to HEAD has no body")
{
    HttpHouse house;
    const std::string all =
        house.ask("HEAD / HTTP/1.1\r\nHost: app.example.com\r\nConnection: close\r\n\r\n");
    CHECK(all.ends_with("\r\n\r\n"));
    CHECK(count(all, "\r\n\r\n") == 1);
    CHECK(count(all, "Content-Length: 0\r\n") == 0);
    CHECK(count(all, "Content-Length: ") == 1);
}

TEST_CASE("a visitor of HTTP/1.0 is answered, and keeps the connection only by asking for it")
{
    HttpHouse house;
    CHECK(house.ask("GET / HTTP/1.0\r\n\r\n").starts_with("HTTP/1.1 404 "));
    tcp::socket visitor = house.arrive();
    write(visitor, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    CHECK(count(house.answers(visitor), "Connection: keep-alive\r\n") == 1);
    CHECK(house.visitors.counts().unknown_host == 2);
}

TEST_CASE("a visitor who finishes sending still gets the answer")
{
    HttpHouse house;
    tcp::socket visitor = house.arrive();
    write(visitor, get("/"));
    visitor.shutdown(tcp::socket::shutdown_send);
    CHECK(count(house.rest(visitor), "308 Permanent Redirect") >= 1);
}

TEST_CASE("an ACME challenge is answered out of the webroot")
{
    HttpHouse house;
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
    HttpHouse house;
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

TEST_CASE("TLS at the HTTP address hears what is wrong")
{
    HttpHouse house;
    const std::string all = house.ask(std::string_view("\x16\x03\x01\x02\x00\x01\x00", 7));
    CHECK(all.starts_with("HTTP/1.1 400 "));
    CHECK(count(all, "this is TLS") == 1);
    CHECK(house.bad.size() == 1);
    CHECK(house.visitors.counts().bad_request == 1);
}

TEST_CASE("what is no request is answered once, and nothing after it is")
{
    HttpHouse house;
    const std::string all = house.ask(get("/") + "nonsense\r\n\r\n" + get("/"));
    CHECK(count(all, "HTTP/1.1 308 ") == 1);
    CHECK(count(all, "HTTP/1.1 400 ") == 1);
    CHECK(house.ask(get("/" + std::string(40'000, 'a'))).starts_with("HTTP/1.1 431 "));
}

TEST_CASE("a request for a service is passed on whole, with what has come behind it")
{
    HttpHouse house;
    tcp::socket visitor = house.arrive();
    const std::string head = "POST /a?b HTTP/1.1\r\nHost: Web.example.com:80\r\n"
                             "Accept: application/json\r\nContent-Length: 4\r\n\r\n";
    write(visitor, head + "body and more");
    ForService request = house.next_request();
    CHECK(request.bytes == head);
    CHECK(request.client.channel.take_read_ahead() == "body and more");
    CHECK(request.client.info.peer == visitor.local_endpoint());
    CHECK(request.client.requests == 0);
    CHECK(request.about.accept == "application/json");
    CHECK(request.about.host == "Web.example.com:80");
    CHECK_FALSE(request.about.goes_on); // its body is not read
    CHECK(house.asked_at.back() == visitor.remote_endpoint());
    CHECK(house.visitors.size() == 0); // it is the service's
    CHECK(house.visitors.counts().unknown_host == 0);
    CHECK(house.bad.empty());
}

TEST_CASE("a connection that comes back from a service is waited for again")
{
    HttpHouse house;
    tcp::socket visitor = house.arrive();
    for (int i = 0; i < 3; ++i) {
        write(visitor, "GET / HTTP/1.1\r\nHost: web.example.com\r\n\r\n" + get("/next"));
        ForService request = house.next_request();
        house.visitors.take(std::move(request.client)); // with its next request, read ahead
        CHECK(count(house.answers(visitor), "https://app.example.com:8443/next\r\n") == 1);
    }
}

TEST_CASE("an answer instead of a service's has the form that the request prefers")
{
    HttpHouse house;
    const auto answer_to = [&house](std::string_view method, std::string_view headers,
                                    bool goes_on = true) {
        tcp::socket visitor = house.arrive();
        write(visitor,
              fmt::format("{} / HTTP/1.1\r\nHost: web.example.com\r\n{}\r\n", method, headers));
        ForService request = house.next_request();
        request.about.goes_on = request.about.goes_on && goes_on;
        house.visitors.answer(std::move(request.client), request.about,
                              {503, Code::no_origin_proxy, "nobody serves it", 5s});
        visitor.shutdown(tcp::socket::shutdown_send);
        return house.rest(visitor);
    };
    const std::string text = answer_to("GET", "");
    CHECK(text.starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
    CHECK(count(text, "Retry-After: 5\r\n") == 1);
    CHECK(count(text, "nobody serves it") == 1);
    CHECK(count(text, "Connection: close") == 0);
    CHECK(count(answer_to("GET", "", false), "Connection: close\r\n") == 1);
    CHECK(count(answer_to("GET", "Accept: application/json\r\n"), "\"no_origin_proxy\"") == 1);
    const std::string page = answer_to("GET", "Accept: text/html\r\n");
    CHECK(count(page, "Content-Type: text/html; charset=utf-8\r\n") == 1);
    CHECK(count(page, "web.example.com") >= 1);
    CHECK(answer_to("HEAD", "Accept: text/html\r\n").ends_with("\r\n\r\n"));
}

TEST_CASE("a visitor whom a service closes has time to read, and hears no more")
{
    HttpHouse house;
    tcp::socket visitor = house.arrive();
    write(visitor, "GET / HTTP/1.1\r\nHost: web.example.com\r\n\r\n");
    ForService request = house.next_request();
    CHECK(request.client.channel.send_at_once("the last answer") == std::error_code());
    house.visitors.close(std::move(request.client));
    write(visitor, get("/")); // that resets nothing
    std::error_code end;
    CHECK(house.rest(visitor, &end) == "the last answer");
    CHECK(end == asio::error::eof);
    visitor.close();
    CHECK(run_until(house.io, [&] { return house.visitors.size() == 0; }));
}

TEST_CASE("each answer is told of, without what a query may hold")
{
    HttpHouse house;
    house.ask(get("/a?secret", "Connection: close\r\n"));
    house.ask("HEAD /b HTTP/1.1\r\nHost: nobody.example.com\r\nConnection: close\r\n\r\n");
    house.ask("nonsense\r\n\r\n");
    CHECK(house.told == std::vector<std::string>{"GET app.example.com/a 308 none",
                                                 "HEAD nobody.example.com/b 404 unknown_host",
                                                 "  400 bad_request"});
}

TEST_CASE("when the program leaves, whoever has no request under way is closed")
{
    HttpHouse house;
    tcp::socket silent = house.arrive();
    tcp::socket used = house.arrive();
    write(used, get("/"));
    CHECK(count(house.answers(used), "HTTP/1.1 308 ") == 1);
    tcp::socket begun = house.arrive();
    write(begun, "GET / HTTP/1.1\r\n");
    tcp::socket served = house.arrive();
    write(served, "GET / HTTP/1.1\r\nHost: web.example.com\r\n\r\n");
    ForService request = house.next_request();
    house.io.poll();
    house.visitors.leave();
    CHECK(house.rest(silent) == "");
    CHECK(house.rest(used) == "");
    house.visitors.take(std::move(request.client)); // it comes back, and has no other request
    CHECK(house.rest(served) == "");
    write(begun, "Host: app.example.com\r\n\r\n");
    CHECK(count(house.answers(begun), "HTTP/1.1 308 ") == 1);
    CHECK(house.rest(begun) == "");
}
