// How answers, streams and connections end.
#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "tests/unit/http/exchange_talk.hpp"

using namespace tunnel;
using namespace tunnel::test;
using After = HttpExchange::After;
using AtEnd = Filter::AtEnd;
using Kept = HttpExchange::Stream;

TEST_CASE("the answer that is the visitor's last closes its connection, and the stream lives on")
{
    SUBCASE("as it says")
    {
        Talk talk(get_with("Connection: close\r\n") + get);
        talk.origin(ok);
        CHECK(talk.to_visitor == forwarded_answers(ok, false, false));
        CHECK(talk.outcome().after == After::close);
        CHECK(talk.stream() == Kept::more);
    }
    SUBCASE("as HTTP/1.0 has it")
    {
        Talk talk("GET / HTTP/1.0\r\nHost: a.example\r\n\r\n");
        talk.origin(ok);
        CHECK(talk.outcome().after == After::close);
    }
    SUBCASE("unless it asks for more in HTTP/1.0")
    {
        Talk talk("GET / HTTP/1.0\r\nHost: a.example\r\nConnection: keep-alive\r\n\r\n");
        talk.origin(ok);
        CHECK_FALSE(talk.is_done());
        CHECK(talk.to_visitor.find("Connection: keep-alive\r\n") != std::string::npos);
    }
}

TEST_CASE("a server that closes after its answer ends its stream alone")
{
    const std::string last = ok_with("Connection: close\r\nContent-Length: 2\r\n") + "ok";
    Talk talk(get + get);
    talk.origin(last);
    CHECK(talk.to_visitor == forwarded_answers(ok));
    CHECK(talk.outcome().after == After::next);
    CHECK(talk.unread() == get);
    CHECK(talk.stream() == Kept::ending);
}

TEST_CASE("a body that lasts until the end of the stream closes the visitor's connection")
{
    for (const std::string& head : {ok_with(""), std::string("HTTP/1.0 200 OK\r\n\r\n")}) {
        Talk talk(get);
        talk.origin(head + "some");
        CHECK(talk.exchange->unseen_back() == UINT64_MAX);
        talk.exchange->passed_back(1'000'000'000'000);
        talk.origin("more");
        CHECK_FALSE(talk.is_done());
        CHECK(talk.to_visitor.find("Connection: close\r\n") != std::string::npos);
        CHECK(talk.to_visitor.ends_with("somemore"));
        CHECK(talk.origin_ends() == AtEnd::hand_back);
        CHECK(talk.outcome().after == After::close);
        CHECK(talk.stream() == Kept::nothing);
    }
}

TEST_CASE("an answer that is cut is never taken for a whole one")
{
    for (const std::string_view part :
         {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
          "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"}) {
        Talk talk(get);
        talk.exchange->use_old_stream(Clock::now());
        talk.origin(part);
        CHECK(talk.origin_ends() == AtEnd::broken);
        CHECK_FALSE(talk.exchange->survives(End::second_failed));
        CHECK_FALSE(talk.is_done());
        CHECK(talk.stream() == Kept::nothing);
    }
    Talk talk(get);
    talk.origin(ok_with("")); // until the end, and a reset is none
    CHECK_FALSE(talk.exchange->survives(End::second_failed));
}

TEST_CASE("before a byte of an answer has passed there is one of ours instead")
{
    const auto end_with = [](Talk& talk, End how) {
        REQUIRE(talk.exchange->survives(how));
        return talk.outcome();
    };
    for (const std::string_view part : {"", "HTTP/1.1 200", "HTTP/1.1 103 A\r\n\r\nHTTP/1.1 20"}) {
        Talk broken(get + get);
        broken.origin(part);
        HttpExchange::Outcome outcome = end_with(broken, End::second_failed);
        CHECK(outcome.after == After::answer);
        CHECK(outcome.answer.status == 502);
        CHECK(outcome.answer.code == Code::origin_broken);
        CHECK(outcome.can_go_on);
        CHECK(broken.unread() == get);
        CHECK(broken.stream() == Kept::nothing);

        for (const End how : {End::idle_timeout, End::half_close_timeout}) {
            Talk late(get);
            late.origin(part);
            CHECK(end_with(late, how).answer.status == 504);
        }
    }
    Talk half(post_head + "hel");
    const HttpExchange::Outcome outcome = end_with(half, End::second_failed);
    CHECK(outcome.answer.status == 502);
    CHECK_FALSE(outcome.can_go_on); // the rest of the body would be taken for a request
}

TEST_CASE("what an answer of ours depends on is told of the request that it is for")
{
    HttpVisit visit = visit_to("a.example");
    visit.logs = true;
    Talk talk("HEAD /a?secret HTTP/1.0\r\nHost: A.example:80\r\naCCept: text/html\r\n\r\n", visit);
    talk.exchange->survives(End::second_failed);
    const HttpExchange::Outcome outcome = talk.outcome();
    CHECK(outcome.accept == "text/html");
    CHECK(outcome.host_text == "A.example:80");
    CHECK(outcome.is_head);
    CHECK(outcome.is_http_1_0);
    CHECK(outcome.method == "HEAD");
    CHECK(outcome.target == "/a");
    CHECK_FALSE(outcome.can_go_on);

    Talk next("HEAD / HTTP/1.1\r\nHost: a.example\r\nAccept: text/html\r\n\r\n");
    next.origin(ok_with("Content-Length: 5\r\n"));
    next.visitor("nonsense\r\n\r\n");
    CHECK(next.outcome().answer.status == 400);
    CHECK_FALSE(next.outcome().is_head); // that one is over
    CHECK(next.outcome().accept == "");
}

TEST_CASE("nobody serves it: the answer is ours, and says whether the request was read whole")
{
    Talk whole(get);
    whole.exchange->fail(Channel(), {503, Code::no_origin_proxy, "nobody"});
    REQUIRE(whole.outcome_);
    CHECK(whole.outcome_->after == After::answer);
    CHECK(whole.outcome_->answer.status == 503);
    CHECK(whole.outcome_->can_go_on);
    Talk half(post_head);
    half.exchange->fail(Channel(), {503, Code::no_origin_proxy, "nobody"});
    REQUIRE(half.outcome_);
    CHECK_FALSE(half.outcome_->can_go_on);
}

TEST_CASE("bytes that nobody has asked for reach no visitor, and end the stream")
{
    for (const std::string_view extra : {"x", "HTTP/1.1 408 Request Timeout\r\n\r\n"}) {
        Talk idle(get);
        idle.origin(ok);
        idle.origin(extra);
        CHECK(idle.outcome().after == After::next);
        CHECK(idle.to_visitor == forwarded_answers(ok));
        CHECK(idle.stream() == Kept::nothing);

        Talk together(get + get);
        together.origin(ok + std::string(extra)); // in one piece with an answer
        CHECK(together.to_visitor == forwarded_answers(ok));
        CHECK(together.outcome().after == After::next);
        CHECK(together.unread() == get);
        CHECK(together.stream() == Kept::nothing);

        Talk last(get_with("Connection: close\r\n"));
        last.origin(ok + std::string(extra)); // while it is done already
        CHECK(last.to_visitor == forwarded_answers(ok, false, false));
        CHECK(last.outcome().after == After::close);
        CHECK(last.stream() == Kept::nothing);

        Talk begun(get);
        begun.origin(ok);
        begun.visitor("GET / HT"); // is not lost with the stream
        begun.origin(extra);
        begun.from_visitor += "TP/1.1\r\n";
        CHECK(begun.unread() == "GET / HTTP/1.1\r\n");
    }
}

TEST_CASE("a stream that ends between two requests ends nothing else")
{
    for (const bool resets : {false, true}) {
        Talk talk(get);
        talk.origin(ok);
        talk.visitor("GET / HT");
        if (resets)
            CHECK(talk.exchange->survives(End::second_failed));
        else
            CHECK(talk.origin_ends() == AtEnd::hand_back);
        CHECK(talk.outcome().after == After::next);
        CHECK(talk.unread() == "GET / HT");
        CHECK(talk.stream() == Kept::nothing);
    }
}

TEST_CASE("a visitor who finishes sending still gets the answer, and is closed after it")
{
    Talk talk(get);
    CHECK(talk.visitor_ends() == AtEnd::pass_on);
    talk.origin(ok);
    CHECK(talk.to_visitor == forwarded_answers(ok, false, false));
    CHECK(talk.outcome().after == After::close);
    CHECK(talk.stream() != Kept::more); // its end has been sent
}

TEST_CASE("a visitor who leaves between two requests has left, and inside of one has cut it")
{
    Talk idle(get);
    idle.origin(ok);
    SUBCASE("with nothing said") {}
    SUBCASE("with half a head")
    {
        idle.visitor("GET / HTT");
    }
    CHECK(idle.visitor_ends() == AtEnd::hand_back);
    CHECK(idle.outcome().after == After::left);
    Talk body(post_head + "hell");
    CHECK(body.visitor_ends() == AtEnd::broken);
    Talk chunks(chunked_head + "1\r\nx\r\n");
    CHECK(chunks.visitor_ends() == AtEnd::broken);
}
