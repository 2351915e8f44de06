// How pairs with a filter begin and end.
#include <doctest/doctest.h>

#include <future>

#include "tests/relay/filtered.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;
using AtEnd = Filter::AtEnd;

TEST_CASE("a stream that its peer has ended between two messages leaves the connection for others")
{
    Relay relay(plain_relay());
    Filtered pair = filtered(relay, {}, in_frames());
    pair.left.send("one\n");
    CHECK(pair.peer.receive(9) == data_frame("> one\n"));
    pair.peer.send(data_frame("a\n") + end_frame + "what comes next");
    CHECK(pair.left.receive(4) == "< a\n");
    Flow flow = pair.end();
    check_handed_back(flow);
    CHECK(flow.second_has_ended);
    CHECK(pair.peer.receive(3) == end_frame);
    REQUIRE(flow.second.is_open());
    CHECK(next(flow.second) == "what comes next");
    check_works(flow.second, pair.peer);
    check_works(flow.first, pair.left);
}

TEST_CASE("a message that the end of a stream cuts is a failure of its sender")
{
    Relay relay(plain_relay());
    SUBCASE("of the first")
    {
        Filtered pair = filtered(relay, {.at_end_forth = AtEnd::broken}, in_frames());
        pair.left.send("on");
        pair.left.finish();
        CHECK(pair.peer.ending() == Ending::reset);
        CHECK(pair.end().end == End::first_failed);
    }
    SUBCASE("of the second, in frames")
    {
        Filtered pair = filtered(relay, {.at_end_back = AtEnd::broken}, in_frames());
        pair.peer.send(data_frame("a\nb") + end_frame);
        CHECK(pair.left.receive(4) == "< a\n");
        CHECK(pair.left.ending() == Ending::reset);
        CHECK(pair.end().end == End::second_failed);
    }
    SUBCASE("of the second, plain")
    {
        Filtered pair = filtered(relay, {.at_end_back = AtEnd::broken});
        pair.peer.send("a\nb");
        pair.peer.finish();
        CHECK(pair.left.receive(4) == "< a\n");
        CHECK(pair.left.ending() == Ending::reset);
        CHECK(pair.end().end == End::second_failed);
    }
}

TEST_CASE(
    "bytes that make no sense are a failure of their sender, and what came before them passes")
{
    Relay relay(plain_relay());
    Filtered one = filtered(relay, {}, in_frames());
    one.left.send("a\nbad\nb\n");
    CHECK(one.peer.receive(7) == data_frame("> a\n"));
    CHECK(one.end().end == End::first_failed);
    Filtered other = filtered(relay, {}, in_frames());
    other.peer.send(data_frame("a\nbad\nb\n"));
    CHECK(other.left.receive(4) == "< a\n");
    CHECK(other.left.ending() == Ending::reset);
    CHECK(other.end().end == End::second_failed);
}

TEST_CASE("a filter may survive the second, but not the first, nor that the relay ends the pair")
{
    Relay relay(plain_relay());
    SUBCASE("the second is reset")
    {
        Filtered pair = filtered(relay, {.survives = true}, in_frames());
        pair.left.send("a\nb");
        CHECK(pair.peer.receive(7) == data_frame("> a\n"));
        pair.peer.reset();
        Flow flow = pair.end();
        check_handed_back(flow);
        CHECK_FALSE(flow.second.is_open());
        check_works(flow.first, pair.left);
    }
    SUBCASE("the first is reset")
    {
        Filtered pair = filtered(relay, {.survives = true}, in_frames());
        pair.left.send("a\n");
        CHECK(pair.peer.receive(7) == data_frame("> a\n"));
        pair.left.reset();
        const Flow flow = pair.end();
        CHECK(flow.end == End::first_failed);
        CHECK(flow.filter != nullptr);
        CHECK(pair.peer.ending() == Ending::reset);
    }
    SUBCASE("the relay ends it")
    {
        Filtered pair = filtered(relay, {.survives = true}, in_frames());
        relay.end_group(0);
        const Flow flow = pair.end();
        CHECK(flow.end == End::cut_off);
        CHECK(flow.filter != nullptr);
        CHECK(pair.left.ending() == Ending::reset);
    }
}

TEST_CASE("the filter's beginning waits for the start, unless it may be early")
{
    Relay relay(plain_relay());
    const FramedStream stream{.unsent = "announced", .awaits_start = true};
    SUBCASE("it waits")
    {
        Filtered pair = filtered(relay, {.beginning = "begin\n"}, in_frames(stream));
        pair.left.send("one\n");
        CHECK(pair.peer.receive(9) == "announced");
        CHECK_FALSE(pair.peer.readable_within(50ms));
        pair.peer.send(start_frame);
        CHECK(pair.peer.receive(18) == data_frame("begin\n") + data_frame("> one\n"));
    }
    SUBCASE("it is early")
    {
        Filtered pair =
            filtered(relay, {.beginning = "begin\n", .may_be_early = true}, in_frames(stream));
        pair.left.send("one\n");
        CHECK(pair.peer.receive(18) == "announced" + data_frame("begin\n"));
        CHECK_FALSE(pair.peer.readable_within(50ms)); // nothing is taken of the first
        pair.peer.send(start_frame + data_frame("a\n"));
        CHECK(pair.left.receive(4) == "< a\n");
        CHECK(pair.peer.receive(9) == data_frame("> one\n"));
    }
}

TEST_CASE("before the start nothing is lost of the first, and the filter can begin again")
{
    RelayOptions options = plain_relay();
    options.start_timeout = 100ms;
    Relay relay(options);
    const FramedStream stream{.unsent = "announced", .awaits_start = true};
    for (const bool is_early : {false, true}) {
        for (const End how : {End::refused, End::not_started, End::start_timeout}) {
            CAPTURE(static_cast<int>(how));
            Filtered pair = filtered(relay, {.beginning = "begin\n", .may_be_early = is_early},
                                     in_frames(stream));
            pair.left.send("one\n");
            CHECK(pair.peer.receive(9) == "announced");
            if (how == End::refused)
                pair.peer.send(stream_frame(StreamFrame::refuse, "no"));
            else if (how == End::not_started)
                pair.peer.reset();
            Flow flow = pair.end();
            CHECK(flow.end == how);
            CHECK(flow.refusal == (how == End::refused ? "no" : ""));
            REQUIRE(flow.filter != nullptr);
            CHECK(flow.filter->beginning() == "begin\n");
            REQUIRE(flow.first.is_open());
            CHECK(next(flow.first) == "one\n");
            check_works(flow.first, pair.left);
        }
    }
}

TEST_CASE("a visitor who does not take the end of its answer has no more time than others")
{
    RelayOptions options = plain_relay();
    SUBCASE("after the end of its stream")
    {
        options.half_close_timeout = 1000ms;
    }
    SUBCASE("or before")
    {
        options.idle_timeout = 1000ms;
    }
    Relay relay(options);
    const End late = options.idle_timeout > 0ms ? End::idle_timeout : End::half_close_timeout;
    // More than the buffers of both connections hold.
    const std::string answer = "=200000000\n" + std::string(200'000'000, 'a') + "stop\n";
    // On a busy machine the limit may come before the sender: then the pair is handed back.
    for (int tries = 0; tries < 5; ++tries) {
        Filtered pair = filtered(relay, {.survives = true});
        if (options.half_close_timeout > 0ms)
            pair.left.finish();
        auto sending = std::async(std::launch::async, [&] { pair.peer.send(answer); });
        const End end = pair.end().end;
        CHECK_THROWS_AS(sending.get(), std::system_error);
        if (end != End::handed_back) {
            CHECK(end == late);
            return;
        }
    }
    FAIL("the sender was never in time");
}
