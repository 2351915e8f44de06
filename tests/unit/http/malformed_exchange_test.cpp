// What is neither request nor answer.
#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

#include "tests/unit/http/exchange_talk.hpp"

using namespace tunnel;
using namespace tunnel::test;
using After = HttpExchange::After;
using Kept = HttpExchange::Stream;

TEST_CASE("a malformed request gets an answer of ours, and not a byte of its head goes on")
{
    const std::vector<std::pair<std::string, unsigned>> all{
        {"nonsense\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a.example\r\nHost: a.example\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 1\r\nTransfer-Encoding: "
         "chunked\r\n\r\n",
         400},
        {"GET / HTTP/1.1\nHost: a.example\n\n", 400},
        {"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n", 405},
        {"GET / HTTP/1.1\r\nHost: a.example\r\nExpect: much\r\n\r\n", 417},
        {"GET / HTTP/1.1\r\nHost: a.example\r\nA: " + std::string(40'000, 'a'), 431},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505}};
    for (const auto& each : all) {
        const auto& [bytes, status] = each;
        for (const std::size_t piece : {std::size_t(1), std::size_t(100), SIZE_MAX}) {
            CAPTURE(each.first.substr(0, 100)); // clang 14 captures no part of a pair
            Talk talk(get, visit_to("a.example"), piece);
            talk.origin(ok);
            talk.take_to_origin();
            talk.visitor(bytes + get);
            CHECK(talk.take_to_origin() == "");
            const HttpExchange::Outcome outcome = talk.outcome();
            CHECK(outcome.after == After::answer);
            CHECK(outcome.answer.status == status);
            CHECK_FALSE(outcome.can_go_on);
            CHECK(talk.stream() == Kept::more); // the server has heard nothing of it
        }
    }
}

TEST_CASE("a malformed body gets an answer of ours, or cuts the one that has begun")
{
    for (const std::string_view body :
         {"x\r\n", "5\r\nhelloX", "5\nhello", "0\r\nHost: a\r\n\r\n", "fffffffffffffffff\r\n"}) {
        for (const std::size_t piece : {std::size_t(1), SIZE_MAX}) {
            Talk talk(chunked_head, visit_to("a.example"), piece);
            talk.visitor(body);
            CHECK(talk.forth_then == Filter::Then::more);
            CHECK(talk.outcome().answer.status == 400);
            CHECK_FALSE(talk.outcome().can_go_on);
            CHECK(talk.stream() == Kept::nothing);

            Talk begun(chunked_head, visit_to("a.example"), piece);
            begun.origin(ok_with("Content-Length: 9\r\n"));
            begun.visitor(body);
            CHECK(begun.forth_then == Filter::Then::broken);
        }
    }
}

TEST_CASE("a malformed answer gets one of ours, or is cut")
{
    const std::vector<std::string> heads{
        "nonsense\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\nContent-Length: 1\n\n",
        "HTTP/1.1 200 OK\r\nA: " + std::string(40'000, 'a'),
        "HTTP/2.0 200 OK\r\n\r\n"};
    for (const std::string& head : heads) {
        for (const std::size_t piece : {std::size_t(1), std::size_t(100), SIZE_MAX}) {
            CAPTURE(head.substr(0, 100));
            Talk talk(get, visit_to("a.example"), piece);
            talk.origin(head + "secret");
            CHECK(talk.to_visitor == "");
            CHECK(talk.outcome().answer.status == 502);
            CHECK(talk.outcome().answer.code == Code::bad_response);
            CHECK(talk.outcome().can_go_on);
            CHECK(talk.stream() == Kept::nothing);
        }
    }
    for (const std::string_view body : {"x\r\n", "5\r\nhelloX", "0\r\nContent-Length: 1\r\n\r\n"}) {
        Talk talk(get);
        talk.origin(ok_with("Transfer-Encoding: chunked\r\n") + std::string(body));
        CHECK(talk.back_then == Filter::Then::broken);
        CHECK_FALSE(talk.exchange->survives(End::second_failed));
    }
}
