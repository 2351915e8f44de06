// A filter in the middle of a pair, whose second channel is plain or carries frames.
#include <doctest/doctest.h>

#include <future>

#include "tests/relay/filtered.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;
using Rules = LineFilter::Rules;

TEST_CASE("what a filter makes of the bytes goes on instead of them")
{
    Relay relay(plain_relay());
    SUBCASE("on a plain connection")
    {
        Filtered pair = filtered(relay, {.beginning = "begin\n"});
        CHECK(pair.peer.receive(6) == "begin\n");
        for (const char c : std::string_view("one\ntw"))
            pair.left.send(std::string_view(&c, 1));
        CHECK(pair.peer.receive(6) == "> one\n");
        pair.left.send("o\nthree\n");
        CHECK(pair.peer.receive(14) == "> two\n> three\n");
        pair.peer.send("four\nfive\n");
        CHECK(pair.left.receive(14) == "< four\n< five\n");
    }
    SUBCASE("in frames")
    {
        Filtered pair = filtered(relay, {.beginning = "begin\n"}, in_frames());
        CHECK(pair.peer.receive(9) == data_frame("begin\n"));
        pair.left.send("one\ntwo\nthr");
        CHECK(pair.peer.receive(15) == data_frame("> one\n> two\n"));
        pair.left.send("ee\n");
        CHECK(pair.peer.receive(11) == data_frame("> three\n"));
        const std::string all =
            data_frame("fo") + start_frame + data_frame("ur\nfi") + data_frame("ve\n");
        for (const char c : all)
            pair.peer.send(std::string_view(&c, 1));
        CHECK(pair.left.receive(14) == "< four\n< five\n");
    }
    SUBCASE("with what was read ahead before")
    {
        How how;
        how.ahead = "one\ntw";
        Filtered pair = filtered(relay, {}, how);
        CHECK(pair.peer.receive(6) == "> one\n");
        pair.left.send("o\n");
        CHECK(pair.peer.receive(6) == "> two\n");
    }
}

TEST_CASE("a pair that is handed back keeps both channels, and what was not taken")
{
    Relay relay(plain_relay());
    SUBCASE("plain")
    {
        Filtered pair = filtered(relay);
        pair.left.send("one\nstop\nrest");
        CHECK(pair.peer.receive(6) == "> one\n");
        Flow flow = pair.end();
        check_handed_back(flow);
        CHECK(next(flow.first) == "rest");
        check_works(flow.first, pair.left);
        check_works(flow.second, pair.peer);
        CHECK(flow.first_to_second == 6);
        CHECK_FALSE(flow.second_has_ended);
    }
    SUBCASE("in frames")
    {
        Filtered pair = filtered(relay, {}, in_frames());
        pair.left.send("one\n");
        CHECK(pair.peer.receive(9) == data_frame("> one\n"));
        pair.peer.send(data_frame("two\nstop\n"));
        CHECK(pair.left.receive(13) == "< two\n< stop\n");
        Flow flow = pair.end();
        check_handed_back(flow);
        check_works(flow.first, pair.left);
        check_works(flow.second, pair.peer);
        CHECK_FALSE(flow.sends_raw);
        CHECK_FALSE(flow.receives_raw);
        CHECK_FALSE(flow.sent_end);
        CHECK_FALSE(flow.second_has_ended);
        CHECK(flow.second_to_first == 13);
    }
    SUBCASE("unless it does not want the second")
    {
        Filtered pair = filtered(relay, {.keeps_second = false}, in_frames());
        pair.left.send("stop\n");
        Flow flow = pair.end();
        check_handed_back(flow);
        CHECK_FALSE(flow.second.is_open());
        CHECK(pair.peer.ending() == Ending::reset);
    }
    SUBCASE("or that is in the middle of a frame")
    {
        Filtered pair = filtered(relay, {}, in_frames());
        pair.peer.send(data_frame("one\ntwo\n").substr(0, 8));
        CHECK(pair.left.receive(6) == "< one\n");
        pair.left.send("stop\n");
        Flow flow = pair.end();
        check_handed_back(flow);
        CHECK_FALSE(flow.second.is_open());
    }
}

TEST_CASE("a connection is used by one pair after the other in the middle of its stream")
{
    Relay relay(plain_relay());
    Filtered pair = filtered(relay, {}, in_frames());
    for (int i = 0; i < 5; ++i) {
        pair.left.send("one\n");
        CHECK(pair.peer.receive(9) == data_frame("> one\n"));
        pair.peer.send(data_frame("two\n"));
        CHECK(pair.left.receive(6) == "< two\n");
        pair.left.send("stop\n");
        Flow flow = pair.end();
        check_handed_back(flow);
        REQUIRE(flow.second.is_open());
        const auto promise = std::make_shared<std::promise<Flow>>();
        pair.flow = promise->get_future();
        PairOptions options =
            framed({.sends_raw = flow.sends_raw, .receives_raw = flow.receives_raw});
        options.filter = std::make_unique<LineFilter>(Rules(), pair.seen);
        relay.hand_over(
            std::move(flow.first), std::move(flow.second),
            [promise](Flow& ended) { promise->set_value(std::move(ended)); }, std::move(options));
    }
}

TEST_CASE("a filter that has seen enough is left out from then on")
{
    Relay relay(plain_relay());
    for (const bool is_framed : {false, true}) {
        Filtered pair = filtered(relay, {.is_polite = true}, is_framed ? in_frames() : How());
        pair.left.send("one\nwhat nobody has looked at"); // before the filter wants more
        CHECK(pair.peer.receive(is_framed ? 9 : 6) ==
              (is_framed ? data_frame("> one\n") : "> one\n"));
        CHECK_FALSE(pair.peer.readable_within(20ms));
        const std::string answer = "open\nbad\nstop\n";
        pair.peer.send(is_framed ? data_frame(answer) : answer);
        CHECK(pair.left.receive(16) == "< open\nbad\nstop\n");
        const std::string rest = "what nobody has looked at";
        CHECK(pair.peer.receive(rest.size() + (is_framed ? 3 : 0)) ==
              (is_framed ? data_frame(rest) : rest));
        const std::string up = random_text(3 << 20, 1);
        auto sending = std::async(std::launch::async, [&] {
            pair.left.send(up);
            pair.left.finish();
        });
        const std::string seen = pair.peer.receive_all();
        sending.get();
        CHECK(((is_framed ? unframed(seen) : seen) == up));
        pair.peer.send(is_framed ? data_frame("bye") + end_frame : "bye");
        if (!is_framed)
            pair.peer.finish();
        CHECK(pair.left.receive_all() == "bye");
        const Flow flow = pair.end();
        CHECK(flow.end == End::finished);
        CHECK(flow.filter == nullptr);
    }
}

TEST_CASE("while a filter wants no more the first is not read, and its end is seen all the same")
{
    Relay relay(plain_relay());
    Filtered pair = filtered(relay, {.is_polite = true}, in_frames());
    pair.left.send("one\ntwo\n");
    CHECK(pair.peer.receive(9) == data_frame("> one\n"));
    CHECK_FALSE(pair.peer.readable_within(20ms));
    SUBCASE("a reset")
    {
        pair.left.reset();
        CHECK(pair.peer.ending() == Ending::reset);
        CHECK(pair.end().end == End::first_failed);
    }
    SUBCASE("the end, behind what is to come")
    {
        pair.left.finish();
        CHECK_FALSE(pair.peer.readable_within(20ms));
        pair.peer.send(data_frame("a\n"));
        CHECK(pair.peer.receive(9) == data_frame("> two\n"));
        CHECK(pair.peer.receive(3) == end_frame);
        CHECK(pair.left.receive(4) == "< a\n");
    }
    SUBCASE("the end, at once")
    {
        pair.peer.send(data_frame("a\n"));
        CHECK(pair.peer.receive(9) == data_frame("> two\n"));
        pair.left.finish();
        CHECK(pair.peer.receive(3) == end_frame);
        CHECK(pair.left.receive(4) == "< a\n");
        pair.peer.send(data_frame("b\n") + end_frame);
        CHECK(pair.left.receive(4) == "< b\n");
        Flow flow = pair.end();
        check_handed_back(flow);
        CHECK(flow.sent_end);
        CHECK(flow.second_has_ended);
        check_works(flow.second, pair.peer);
    }
}
