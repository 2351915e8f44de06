// Requests and answers that pass: bytes in, bytes out.
#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "tests/unit/http/exchange_talk.hpp"

using namespace tunnel;
using namespace tunnel::test;
using After = HttpExchange::After;
using AtEnd = Filter::AtEnd;
using Kept = HttpExchange::Stream;

namespace {

struct Message {
    std::string head;
    std::string body;
    std::string answer;
};

// Every kind of message, one after the other on one connection.
const std::vector<Message> kinds{
    {get, "", ok},
    {post_head, "hello",
     ok_with("Transfer-Encoding: chunked\r\n") + "3;x=y\r\nabc\r\n0\r\nA: b\r\n\r\n"},
    {"\r\n" + chunked_head, "5\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n",
     "HTTP/1.1 204 No Content\r\n\r\n"},
    {"HEAD / HTTP/1.1\r\nHost: A.example:80\r\n\r\n", "", ok_with("Content-Length: 1000\r\n")},
    {get_with("If-None-Match: \"x\"\r\n"), "",
     "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n"},
    {get, "", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ok},
    {"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
     "world", "HTTP/1.1 100 Continue\r\n\r\n" + ok},
    {"PURGE /a?b HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n\r\n", "",
     "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"},
};

// Sends all messages in these pieces.
void pass_all_kinds(std::size_t piece, bool passes_unseen)
{
    CAPTURE(piece);
    Talk talk(kinds[0].head, visit_to("a.example"), piece);
    talk.passes_unseen = passes_unseen;
    for (std::size_t i = 0; i < kinds.size(); ++i) {
        CAPTURE(i);
        const auto& [head, body, answer] = kinds[i];
        if (i > 0)
            talk.visitor(head + body);
        REQUIRE(talk.take_to_origin() == forwarded(head, rules) + body);
        talk.origin(answer);
        REQUIRE(talk.take_to_visitor() == forwarded_answers(answer, head.starts_with("HEAD")));
        REQUIRE_FALSE(talk.is_done());
        REQUIRE(talk.stream() == (i == 0 ? Kept::more : Kept::ending)); // a body made it doubtful
    }
}

} // namespace

TEST_CASE("messages of every kind pass, wherever their bytes are cut")
{
    for (std::size_t piece = 1; piece <= 80; ++piece)
        pass_all_kinds(piece, false);
    pass_all_kinds(SIZE_MAX, false);
    for (const std::size_t piece : {1U, 2U, 3U, 7U, 1000U})
        pass_all_kinds(piece, true);
}

TEST_CASE("one request at a time is under way, and the next one waits unread")
{
    Talk talk(get + post_head + "hello" + get + get);
    for (int i = 0; i < 10; ++i)
        talk.visitor(get);
    CHECK(talk.take_to_origin() == get_forwarded);
    CHECK_FALSE(talk.exchange->wants_forth());
    CHECK(talk.from_visitor.size() == post_head.size() + 5 + 12 * get.size());
    talk.origin(ok.substr(0, ok.size() - 1));
    CHECK(talk.take_to_origin() == "");
    talk.origin(ok.substr(ok.size() - 1));
    CHECK(talk.take_to_origin() == forwarded(post_head, rules) + "hello");
    for (int i = 0; i < 12; ++i) {
        talk.origin(ok);
        CHECK(talk.take_to_origin() == get_forwarded);
    }
    talk.origin(ok);
    CHECK(talk.take_to_origin() == "");
    CHECK(talk.exchange->wants_forth());
    CHECK(talk.exchange->visit().counts->requests() == 14);
    CHECK(talk.exchange->visit().counts->responses(1) == 14);
}

TEST_CASE("an answer that comes before the request is whole is passed on at once")
{
    Talk talk(post_head + "he");
    talk.origin(ok);
    CHECK(talk.to_visitor == forwarded_answers(ok));
    CHECK_FALSE(talk.is_done());
    CHECK(talk.stream() == Kept::nothing);
    SUBCASE("and the rest of the request after it")
    {
        talk.visitor("llo" + get);
        CHECK(talk.take_to_origin() == forwarded(post_head, rules) + "hello" + get_forwarded);
        talk.origin(ok);
        CHECK(talk.stream() == Kept::ending); // perhaps it takes the rest for something else
        CHECK_FALSE(talk.is_done());
    }
    SUBCASE("and nothing after it if the visitor ends there")
    {
        CHECK(talk.visitor_ends() == AtEnd::hand_back);
        CHECK(talk.outcome().after == After::close);
        CHECK(talk.stream() == Kept::nothing);
    }
    SUBCASE("and nothing after it if the server ends its stream")
    {
        CHECK(talk.origin_ends() == AtEnd::hand_back);
        CHECK(talk.outcome().after == After::close);
        CHECK(talk.stream() == Kept::nothing);
    }
    SUBCASE("and nothing after it if the server resets, as it does with bytes that it has not read")
    {
        REQUIRE(talk.exchange->survives(End::second_failed));
        CHECK(talk.outcome().after == After::close);
        CHECK(talk.stream() == Kept::nothing);
    }
    SUBCASE("and a second answer is no answer to anything")
    {
        talk.origin("HTTP/1.1 200 OK\r\n");
        CHECK(talk.to_visitor == forwarded_answers(ok));
        talk.visitor("llo" + get);
        CHECK(talk.outcome().after == After::next);
        CHECK(talk.unread() == get);
        CHECK(talk.stream() == Kept::nothing);
    }
}

TEST_CASE("an early answer that closes ends the request where it is")
{
    Talk talk(post_head + "he");
    talk.origin("HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    CHECK(talk.outcome().after == After::close);
    CHECK(talk.stream() == Kept::nothing);
}

TEST_CASE("whoever waits for 100 and is refused is closed, since nobody knows what follows")
{
    const std::string head =
        "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 60\r\nExpect: 100-continue\r\n\r\n";
    const std::string no = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno";
    Talk talk(head);
    talk.origin(no);
    CHECK(talk.to_visitor == forwarded_answers(no, false, false));
    CHECK(talk.outcome().after == After::close);
    CHECK(talk.stream() == Kept::nothing);

    for (const bool has_begun : {false, true}) {
        Talk goes_on(head);
        if (has_begun)
            goes_on.visitor("x");
        else
            goes_on.origin("HTTP/1.1 100 Continue\r\n\r\n");
        goes_on.take_to_visitor();
        goes_on.origin(no);
        CHECK(goes_on.to_visitor == forwarded_answers(no));
        CHECK_FALSE(goes_on.is_done());
    }
}

TEST_CASE("a changed protocol passes as it is, and only where it was asked for")
{
    const std::string asks = get_with("Connection: Upgrade\r\nUpgrade: websocket\r\n");
    const std::string yes =
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    Talk talk(asks + "frames");
    CHECK(talk.take_to_origin() == forwarded(asks, rules));
    talk.origin(yes + "more frames");
    CHECK(talk.back_then == Filter::Then::transparent);
    CHECK(talk.to_visitor == forwarded_answers(yes));
    CHECK(talk.from_origin == "more frames"); // from here on nobody asks it
    CHECK(talk.from_visitor == "frames");

    Talk refused(asks + get); // a server may go on as before
    refused.origin(ok);
    CHECK(refused.to_origin == forwarded(asks, rules) + get_forwarded);

    Talk unasked(get);
    unasked.origin(yes + "frames");
    CHECK(unasked.back_then == Filter::Then::more);
    CHECK(unasked.to_visitor == "");
    CHECK(unasked.outcome().answer.status == 502);
    CHECK(unasked.outcome().answer.code == Code::bad_response);
    CHECK(unasked.stream() == Kept::nothing);
}

TEST_CASE("an answer to HTTP/1.0 has no interim answers before it")
{
    Talk talk("GET / HTTP/1.0\r\nHost: a.example\r\n\r\n");
    for (int i = 0; i < 1000; ++i)
        talk.origin("HTTP/1.1 103 Early Hints\r\n\r\n");
    CHECK(talk.to_visitor == "");
    talk.origin(ok);
    CHECK(talk.to_visitor == forwarded_answers(ok, false, false));
}

TEST_CASE("an answer in chunks to HTTP/1.0, which knows none, is no answer")
{
    Talk talk("GET / HTTP/1.0\r\nHost: a.example\r\n\r\n");
    talk.origin(ok_with("Transfer-Encoding: chunked\r\n") + "0\r\n\r\n");
    CHECK(talk.to_visitor == "");
    CHECK(talk.outcome().answer.code == Code::bad_response);
    CHECK(talk.stream() == Kept::nothing);
}

TEST_CASE("bodies of any size pass unseen but for their ends, and are kept nowhere")
{
    constexpr std::uint64_t much = std::uint64_t(1) << 60;
    Talk talk(
        fmt::format("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: {}\r\n\r\n", much));
    CHECK(talk.exchange->unseen_forth() == much);
    talk.exchange->passed_forth(much - 1);
    CHECK(talk.exchange->wants_forth());
    talk.exchange->passed_forth(1);
    CHECK(talk.exchange->unseen_forth() == 0);
    CHECK_FALSE(talk.exchange->wants_forth());
    talk.origin(ok_with("Transfer-Encoding: chunked\r\n") + "1000000000000000\r\n");
    CHECK(talk.exchange->unseen_back() == much);
    talk.exchange->passed_back(much);
    talk.origin("\r\n0\r\n");
    CHECK_FALSE(talk.exchange->wants_forth());
    talk.origin("\r\n");
    CHECK(talk.exchange->wants_forth());
    CHECK(talk.exchange->unseen_back() == 0);
    CHECK(talk.exchange->beginning().empty());
}

TEST_CASE("what is sent is no longer than what was taken, and what a head needs")
{
    Talk talk(get);
    talk.origin(ok);
    std::string head = "GET / HTTP/1.1\r\nHost: a.example\r\n";
    while (head.size() < 30'000)
        head += "A: " + std::string(300, 'a') + "\r\n";
    talk.piece = 28 * 1024; // as the relay shows them
    talk.take_to_origin();
    talk.visitor(head);
    CHECK(talk.take_to_origin() == "");
    talk.visitor("\r\n" + get);
    CHECK(talk.take_to_origin().size() < 32 * 1024);
}
