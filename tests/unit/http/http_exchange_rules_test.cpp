// Which requests go on together, and which are sent again.
#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "tests/unit/http/exchange_talk.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;
using After = HttpExchange::After;
using AtEnd = Filter::AtEnd;
using Kept = HttpExchange::Stream;

TEST_CASE("a request for another host is for another stream, with all that follows it")
{
    const std::string other = "GET /b HTTP/1.1\r\nHost: b.example\r\n\r\n";
    for (const std::size_t piece : {std::size_t(1), std::size_t(7), SIZE_MAX}) {
        Talk talk(get, visit_to("a.example"), piece);
        talk.visitor(other + post_head + "hello");
        CHECK_FALSE(talk.is_done());
        talk.origin(ok);
        CHECK(talk.to_origin == get_forwarded);
        CHECK(talk.to_visitor == forwarded_answers(ok));
        CHECK(talk.outcome().after == After::next);
        CHECK(talk.unread() == other + post_head + "hello");
        CHECK(talk.stream() == Kept::more);
    }
}

TEST_CASE(
    "the same host in other words is the same, and other ports and addresses are not mixed up")
{
    for (const std::string_view host : {"A.EXAMPLE", "a.example.", "a.example:8080"}) {
        Talk talk(get);
        talk.origin(ok);
        talk.visitor(fmt::format("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", host));
        CHECK_FALSE(talk.is_done());
    }
    for (const std::string_view host : {"", "192.0.2.1", "x.a.example", "a.example.net"}) {
        Talk talk(get);
        talk.origin(ok);
        talk.visitor(fmt::format("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", host));
        CHECK(talk.outcome().after == After::next);
    }
    HttpVisit all = visit_to("a.example");
    all.any_host = true;
    Talk talk(get, all);
    talk.origin(ok);
    talk.visitor("GET / HTTP/1.1\r\nHost: b.example\r\n\r\n");
    CHECK_FALSE(talk.is_done());
}

TEST_CASE("after a change of routes the next request is looked up again")
{
    Talk talk(get);
    ++*routes;
    talk.origin(ok); // the one that is under way is served
    CHECK(talk.to_visitor == forwarded_answers(ok));
    talk.visitor(get);
    CHECK(talk.outcome().after == After::next);
    CHECK(talk.unread() == get);
    CHECK(talk.to_origin == get_forwarded);
}

TEST_CASE("once the remote proxy is leaving, an answer that begins is its visitor's last")
{
    HttpVisit visit = visit_to("a.example");
    const auto closing = std::make_shared<RoutesVersion>(1);
    visit.routes = closing;
    Talk talk(get + get, visit);
    talk.origin(ok_with("Content-Length: 1\r\n"));
    *closing = routes_closed; // which that one has not heard of
    talk.origin("x");
    CHECK(talk.outcome().after == After::next);
    CHECK(talk.unread() == get);

    closing->store(1);
    Talk next(get + get, visit);
    *closing = routes_closed;
    next.origin(ok);
    CHECK(next.to_visitor == forwarded_answers(ok, false, false));
    CHECK(next.outcome().after == After::close);
}

TEST_CASE("a challenge that the remote proxy answers goes to no server")
{
    const std::string challenge =
        "GET /.well-known/acme-challenge/a HTTP/1.1\r\nHost: a.example\r\n\r\n";
    for (const bool leaves : {false, true}) {
        HttpVisit visit = visit_to("a.example");
        visit.leaves_challenges = leaves;
        Talk talk(get + challenge, visit);
        talk.origin(ok);
        CHECK(talk.is_done() == leaves);
        if (leaves)
            CHECK(talk.unread() == challenge);
    }
}

TEST_CASE("where a login is asked for another one is looked at again")
{
    const std::string with = get_with("Authorization: Basic YTpi\r\n");
    HttpVisit visit = visit_to("a.example");
    visit.asks_for_login = true;
    visit.authorization = "Basic YTpi";
    for (const std::string& next : {get, get_with("Authorization: Basic YTpj\r\n")}) {
        Talk talk(with, visit);
        talk.origin(ok);
        talk.visitor(with);
        talk.origin(ok);
        CHECK_FALSE(talk.is_done());
        talk.visitor(next);
        CHECK(talk.outcome().after == After::next);
        CHECK(talk.unread() == next);
    }
}

TEST_CASE("a request that does no harm is sent again if an old stream had died, once")
{
    Talk talk(get);
    talk.exchange->use_old_stream(Clock::now());
    CHECK(talk.origin_ends() == AtEnd::broken);
    REQUIRE(talk.exchange->survives(End::second_failed));
    CHECK(talk.outcome().after == After::again);
    CHECK(talk.unread() == get);
    CHECK(talk.stream() == Kept::nothing);

    HttpVisit retry = visit_to("a.example");
    retry.is_retry = true;
    Talk again(get, retry);
    again.exchange->use_old_stream(Clock::now());
    REQUIRE(again.exchange->survives(End::second_failed));
    CHECK(again.outcome().answer.status == 502);

    Talk later(get + get, retry); // it was about the first request alone
    later.origin(ok);
    REQUIRE(later.exchange->survives(End::second_failed));
    CHECK(later.outcome().after == After::again);
}

TEST_CASE("the second request on a stream finds an old one, with what was sent behind it")
{
    Talk talk(get + get_with("A: b\r\n") + get);
    talk.origin(ok);
    talk.exchange->survives(End::second_failed);
    CHECK(talk.outcome().after == After::again);
    CHECK(talk.unread() == get_with("A: b\r\n") + get);
}

TEST_CASE("a request is not sent twice if that could do harm, or an answer had begun")
{
    const auto after = [](std::string_view request, std::string_view answer, bool is_old = true) {
        Talk talk(request);
        if (is_old)
            talk.exchange->use_old_stream(Clock::now());
        talk.origin(answer);
        return talk.exchange->survives(End::second_failed) ? talk.outcome().after : After::next;
    };
    CHECK(after(get, "") == After::again);
    CHECK(after(get, "HTTP/1.1 103 A\r\n\r\n") == After::again);
    CHECK(after(get, "", false) == After::answer); // on a new stream it may be the request's fault
    CHECK(after("POST / HTTP/1.1\r\nHost: a.example\r\n\r\n", "") == After::answer);
    CHECK(after("DELETE / HTTP/1.1\r\nHost: a.example\r\n\r\n", "") == After::answer);
    CHECK(after("GET / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 1\r\n\r\nx", "") ==
          After::answer);
    CHECK(after(get, ok_with("Content-Length: 1\r\n")) == After::next);
    Talk late(get);
    late.exchange->use_old_stream(Clock::now());
    late.exchange->survives(End::idle_timeout);
    CHECK(late.outcome().answer.status == 504);
}

TEST_CASE("only what does no harm may be sent before the stream is taken on")
{
    CHECK(Talk(get).exchange->may_be_early());
    CHECK(Talk("HEAD / HTTP/1.1\r\nHost: a.example\r\n\r\n").exchange->may_be_early());
    CHECK_FALSE(Talk(post_head).exchange->may_be_early());
    CHECK_FALSE(Talk("DELETE / HTTP/1.1\r\nHost: a.example\r\n\r\n").exchange->may_be_early());
    CHECK_FALSE(Talk("GET / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 1\r\n\r\n")
                    .exchange->may_be_early());
}

TEST_CASE("a silent visitor does not keep a shared stream from others, and its own not for ever")
{
    const auto silent = [](HttpVisit visit, std::chrono::milliseconds silence,
                           std::string_view answer) {
        Talk talk(get, std::move(visit));
        talk.origin(answer);
        talk.exchange->on_silence(silence);
        return talk.is_done() ? std::optional(talk.outcome().after) : std::nullopt;
    };
    const HttpVisit shared = visit_to("a.example");
    HttpVisit own = shared;
    own.shares_streams = false;
    CHECK(silent(shared, 999ms, ok) == std::nullopt);
    CHECK(silent(shared, 1s, ok) == After::next);
    CHECK(silent(own, 59s, ok) == std::nullopt);
    CHECK(silent(own, 60s, ok) == After::close);
    CHECK(silent(shared, 299s, "") == std::nullopt); // it waits for the answer
    CHECK(silent(shared, 300s, "") == After::answer);
    CHECK(silent(shared, 1h, ok_with("Content-Length: 1\r\n")) == std::nullopt);
    const std::string bound =
        "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: NTLM\r\nContent-Length: 0\r\n\r\n";
    CHECK(silent(shared, 59s, bound) == std::nullopt);
}

TEST_CASE("a stream is shared only if the service wants it, and nobody has authenticated on it")
{
    const auto after = [](HttpVisit visit, const std::string& answer) {
        Talk talk(get, std::move(visit));
        talk.origin(answer);
        return talk.stream();
    };
    const HttpVisit shared = visit_to("a.example");
    HttpVisit own = shared;
    own.shares_streams = false;
    CHECK(after(shared, ok) == Kept::more);
    CHECK(after(own, ok) == Kept::ending);
    for (const std::string_view scheme : {"NTLM", "Negotiate"}) {
        const auto bound = fmt::format(
            "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: {}\r\nContent-Length: 0\r\n\r\n",
            scheme);
        CHECK(after(shared, bound) == Kept::ending);
    }
    CHECK(after(shared, ok.substr(0, ok.size() - 1)) == Kept::nothing);
    CHECK(after(shared, "") == Kept::nothing);
}

TEST_CASE("a stream is not shared where some servers see another end of a message")
{
    const auto after = [](std::string_view request, std::string_view answer) {
        Talk talk(request);
        talk.origin(answer);
        if (!talk.is_done()) { // then it stays so
            talk.visitor(get);
            talk.origin(ok);
        }
        return talk.stream();
    };
    const std::string head = "HEAD / HTTP/1.1\r\nHost: a.example\r\n\r\n";
    CHECK(after(head, ok_with("")) == Kept::more);
    CHECK(after(head, ok_with("Content-Length: 0\r\n")) == Kept::more);
    CHECK(after(head, ok_with("Content-Length: 5\r\n")) == Kept::ending);
    CHECK(after(get, "HTTP/1.1 304 Not Modified\r\n\r\n") == Kept::more);
    CHECK(after(get, "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n") == Kept::ending);
    CHECK(after(get, "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n") ==
          Kept::ending);
    CHECK(after(post_head + "hello", ok) == Kept::ending);
    CHECK(after("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n\r\n", ok) ==
          Kept::more);
    CHECK(after(get_with("Authorization: NTLM abc\r\n"), ok) == Kept::ending);
    CHECK(after(get_with("Authorization: Basic YTpi\r\n"), ok) == Kept::more);
}

TEST_CASE("what waits for ever is ended: a body that does not come, a silent visitor of old routes")
{
    Talk body(post_head + "he");
    body.exchange->on_silence(119s);
    CHECK_FALSE(body.is_done());
    body.exchange->on_silence(120s);
    CHECK(body.outcome().answer.status == 408);
    CHECK_FALSE(body.outcome().can_go_on);
    CHECK(body.stream() == Kept::nothing);

    HttpVisit visit = visit_to("a.example");
    visit.shares_streams = false;
    Talk old(get, visit);
    old.origin(ok);
    old.exchange->on_silence(1s);
    CHECK_FALSE(old.is_done());
    ++*routes;
    old.exchange->on_silence(1s);
    CHECK(old.outcome().after == After::next);

    Talk line(get);
    line.origin(ok);
    line.visitor("\r\n"); // as some clients send behind a body
    line.exchange->on_silence(1s);
    CHECK(line.outcome().after == After::next);
}
