#include <doctest/doctest.h>

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
