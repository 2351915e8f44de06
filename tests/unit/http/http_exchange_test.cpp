// Requests and answers that pass: bytes in, bytes out.
#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "tests/unit/http/exchange_talk.hpp"
#include "tests/unit/http/heads.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;
using After = HttpExchange::After;
using AtEnd = Filter::AtEnd;
using Kept = HttpExchange::Stream;

namespace {

const ForwardRules rules = visit_to("a.example").rules;
const std::string get = get_with("");
const std::string get_forwarded = forwarded(get, rules);
const std::string ok = ok_with("Content-Length: 2\r\n") + "ok";
const std::string post_head = "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\n";
const std::string chunked_head =
    "POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n";

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

std::string forwarded_answers(std::string_view answers, bool to_head = false,
                              bool keep_alive = true)
{
    std::string out;
    for (;;) {
        const HeadSearch head = find_response_head(answers, 0);
        REQUIRE(head.is == HeadSearch::Is::whole);
        const auto parsed = parse_response_head(answers.substr(0, head.size), to_head);
        const auto& its = std::get<ResponseHead>(parsed);
        append_response(out, its, keep_alive, false);
        answers.remove_prefix(head.size);
        if (!its.is_interim)
            return out.append(answers);
    }
}

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
        REQUIRE(talk.stream() == Kept::more);
    }
}

void be_old(Talk& talk)
{
    talk.exchange->use_old_stream();
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
        be_old(talk);
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

TEST_CASE("a request that does no harm is sent again if an old stream had died, once")
{
    Talk talk(get);
    be_old(talk);
    CHECK(talk.origin_ends() == AtEnd::broken);
    REQUIRE(talk.exchange->survives(End::second_failed));
    CHECK(talk.outcome().after == After::again);
    CHECK(talk.unread() == get);
    CHECK(talk.stream() == Kept::nothing);

    HttpVisit retry = visit_to("a.example");
    retry.is_retry = true;
    Talk again(get, retry);
    be_old(again);
    REQUIRE(again.exchange->survives(End::second_failed));
    CHECK(again.outcome().answer.status == 502);
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
            be_old(talk);
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
    be_old(late);
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
        CHECK(talk.stream() == Kept::more);
        CHECK_FALSE(talk.is_done());
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
    CHECK(silent(shared, 1h, "") == std::nullopt); // it waits for the answer
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
    for (const auto& [bytes, status] : all) {
        for (const std::size_t piece : {std::size_t(1), std::size_t(100), SIZE_MAX}) {
            CAPTURE(bytes.substr(0, 100));
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

TEST_CASE("an answer to HTTP/1.0 has no interim answers before it")
{
    Talk talk("GET / HTTP/1.0\r\nHost: a.example\r\n\r\n");
    for (int i = 0; i < 1000; ++i)
        talk.origin("HTTP/1.1 103 Early Hints\r\n\r\n");
    CHECK(talk.to_visitor == "");
    talk.origin(ok);
    CHECK(talk.to_visitor == forwarded_answers(ok, false, false));
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
