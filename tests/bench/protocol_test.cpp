#include <doctest/doctest.h>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/bench/hello.hpp"
#include "tests/bench/protocol.hpp"

using namespace bench;

TEST_CASE("the origin server's answer is the one that a visitor waits for")
{
    for (const bool keep : {true, false}) {
        const Exchange exchange = first_exchange(Protocol::https, keep);
        const HttpAnswer answer = answer_to(exchange.request);
        CHECK(answer.bytes.starts_with("HTTP/1.1 200 "));
        CHECK(answer.bytes.ends_with(exchange.answer_end));
        CHECK(answer.ends == exchange.until_end);
        CHECK(answer.ends == !keep);
        CHECK_FALSE(answer.is_raw);
    }
}

TEST_CASE("an upgrade leads from HTTP to the raw protocol, of which nothing comes with the answer")
{
    const Exchange way = way_to_raw(Protocol::https);
    const HttpAnswer answer = answer_to(way.request);
    CHECK(way.request.ends_with(end_of_head));
    CHECK(answer.is_raw);
    CHECK_FALSE(answer.ends);
    CHECK(answer.bytes.find(end_of_head) == answer.bytes.size() - end_of_head.size());
    CHECK(way.answer_end == end_of_head);
}

TEST_CASE("a raw visitor has nothing to say first, and one with a hello waits for no answer to it")
{
    CHECK(way_to_raw(Protocol::raw).request.empty());
    CHECK(way_to_raw(Protocol::hello).request == prepared_hello());
    CHECK(way_to_raw(Protocol::hello).answer_end.empty());
    CHECK(first_exchange(Protocol::raw, true).request == "e");
    CHECK(first_exchange(Protocol::hello, true).request == prepared_hello() + "e");
}

TEST_CASE("a message comes back as it is")
{
    const Exchange exchange = next_exchange(Protocol::hello, 512);
    CHECK(exchange.request.size() == 512);
    CHECK(exchange.answer_end == exchange.request);
}

TEST_CASE(
    "who reads requests gets the same ones without TLS, and an upgrade as the first of a visitor")
{
    CHECK(first_exchange(Protocol::http, true).request ==
          first_exchange(Protocol::https, true).request);
    const Exchange upgrade = first_exchange(Protocol::upgrade, true);
    CHECK(answer_to(upgrade.request).is_raw);
    CHECK(answer_to(upgrade.request).bytes.ends_with(upgrade.answer_end));
}

TEST_CASE("a proxy may write names of fields as it likes")
{
    CHECK(answer_to("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n").ends);
    CHECK_FALSE(answer_to("GET / HTTP/1.1\r\nhost: a\r\n").ends);
}

TEST_CASE("a request says how many bytes its body, or that of its answer, has")
{
    const HttpAnswer up = answer_to(upload_head(1000));
    CHECK(up.upload == 1000);
    CHECK(up.download == 0);
    CHECK(up.bytes.ends_with(short_body));
    CHECK(upload_head(1000).find("\r\nContent-Length: 1000\r\n") != std::string::npos);
    const HttpAnswer down = answer_to(download_head(1000));
    CHECK(down.upload == 0);
    CHECK(down.download == 1000);
    CHECK(down.bytes.find("\r\nContent-Length: 1000\r\n") != std::string::npos);
    CHECK(answer_to(events_head()).has_events);
}

TEST_CASE("events are found one by one wherever the text is cut, and their times are kept")
{
    using std::chrono::nanoseconds;
    const std::string text = "HTTP/1.1 200 OK\r\n\r\n1b\r\n" + event_of(nanoseconds(12)) +
                             "\r\n1b\r\n" + event_of(nanoseconds(34));
    for (std::size_t cut = 0; cut < text.size(); ++cut) {
        std::vector<nanoseconds> times;
        std::string received;
        for (const std::string& piece : {text.substr(0, cut), text.substr(cut)}) {
            received += piece;
            while (const auto time = take_event(received))
                times.push_back(*time);
        }
        CHECK(times == std::vector{nanoseconds(12), nanoseconds(34)});
    }
    std::string wrong = "data: 12345678901234567x9\n\n";
    CHECK_THROWS_AS(take_event(wrong), std::runtime_error);
}
