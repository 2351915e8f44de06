// The relay beside a connection that carries frames, so that it can be used for one stream after
// the other. The far end of it is played by hand.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <future>

#include <sys/socket.h>

#include "common/protocol/frame.hpp"
#include "tests/support/joined.hpp"
#include "tests/support/stream_frames.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

// left <-> (first, second) <-> peer, who speaks frames
struct Beside {
    Stream left;
    Stream peer;
    std::future<Flow> flow;

    Flow end()
    {
        REQUIRE(flow.wait_for(10s) == std::future_status::ready);
        return flow.get();
    }
};

Beside beside(Relay& relay, bool awaits_start = false, std::string received = {},
              std::string unsent = {}, const std::function<void(Stream&)>& before = {},
              bool unsent_may_wait = false)
{
    Connected one = connected();
    Connected two = connected();
    if (before)
        before(one.here);
    Fd first = one.there.release();
    Channel second(two.there.release(), Tls(), std::move(received));
    prepare_for_relay(first.get());
    prepare_for_relay(second.descriptor(), true);
    const auto promise = std::make_shared<std::promise<Flow>>();
    Beside result{std::move(one.here), std::move(two.here), promise->get_future()};
    relay.hand_over(
        std::move(first), std::move(second),
        [promise](Flow& flow) { promise->set_value(std::move(flow)); },
        framed({std::move(unsent), awaits_start, unsent_may_wait}));
    return result;
}

} // namespace

TEST_CASE("small pieces go in frames, and both ends by frames leave the connection usable")
{
    Relay relay(plain_relay());
    Beside pair = beside(relay);
    pair.left.send("hello");
    CHECK(pair.peer.receive(8) == data_frame("hello"));
    pair.peer.send(data_frame("wor") + data_frame("ld"));
    CHECK(pair.left.receive(5) == "world");
    pair.left.finish();
    CHECK(pair.peer.receive(3) == end_frame);
    pair.peer.send(data_frame("!") + end_frame + "what comes next");
    CHECK(pair.left.receive_all() == "!");
    Flow flow = pair.end();
    CHECK(flow.end == End::finished);
    CHECK(flow.first_to_second == 5);
    CHECK(flow.second_to_first == 6);
    REQUIRE(flow.second.is_open());
    CHECK(flow.second.take_read_ahead() == "what comes next");
    Stream again(flow.second.release()); // not closed, and no stray byte on it
    again.send("x");
    CHECK(pair.peer.receive(1) == "x");
}

TEST_CASE("frames may be cut and joined anywhere, and unknown ones are skipped")
{
    Relay relay(plain_relay());
    std::string bytes = start_frame;
    std::string expected;
    for (std::uint32_t i = 0; i < 60; ++i) {
        const std::string piece = random_text(i * 7 % 50, i);
        expected += piece;
        bytes += data_frame(piece);
        if (i % 9 == 0)
            bytes += stream_frame(StreamFrame{200}, random_text(i, i));
    }
    bytes += end_frame;
    for (const std::size_t size : {1U, 2U, 3U, 5U, 64U, 100'000U}) {
        Beside pair = beside(relay);
        pair.left.finish();
        for (std::size_t at = 0; at < bytes.size(); at += size)
            pair.peer.send(std::string_view(bytes).substr(at, size));
        CHECK((pair.left.receive_all() == expected));
        CHECK(pair.end().second.is_open());
    }
}

TEST_CASE("what was received before the hand-over comes first, and what was not sent goes first")
{
    Relay relay(plain_relay());
    Beside pair =
        beside(relay, false, data_frame("early") + data_frame("la").substr(0, 4), "unsent");
    pair.peer.send("a" + end_frame);
    pair.left.send("bye");
    CHECK(pair.peer.receive(12) == "unsent" + data_frame("bye"));
    CHECK(pair.left.receive_all() == "earlyla");
    pair.left.finish();
    const Flow flow = pair.end();
    CHECK(flow.first_to_second == 3);
    CHECK(flow.second.is_open());
}

TEST_CASE("a large stream goes on raw both ways, and its connection is used up")
{
    Relay relay(plain_relay());
    Beside pair = beside(relay);
    const std::string text = random_text(3'000'000, 1);
    auto sending = std::async(std::launch::async, [&] {
        pair.left.send(text);
        pair.left.finish();
    });
    // Framed pieces, as many as were small, then one raw frame and the rest as it is.
    std::string seen = pair.peer.receive_all();
    sending.get();
    std::string stream;
    while (seen.starts_with(raw_frame) == false) {
        REQUIRE(seen.size() > frame_header_size);
        const std::size_t size = static_cast<std::size_t>(static_cast<unsigned char>(seen[0]))
                                     << 8 |
                                 static_cast<unsigned char>(seen[1]);
        REQUIRE(seen.substr(0, 3) ==
                stream_frame(StreamFrame::data, seen.substr(3, size - 3)).substr(0, 3));
        stream += seen.substr(3, size - 3);
        seen.erase(0, size);
    }
    stream += seen.substr(3);
    CHECK((stream == text));
    auto answering = std::async(std::launch::async, [&] {
        pair.peer.send(data_frame("small") + raw_frame + text);
        pair.peer.finish();
    });
    CHECK((pair.left.receive_all() == "small" + text));
    answering.get();
    const Flow flow = pair.end();
    CHECK(flow.end == End::finished);
    CHECK(flow.first_to_second == text.size());
    CHECK(flow.second_to_first == text.size() + 5);
    CHECK_FALSE(flow.second.is_open());
}

TEST_CASE("only a raw stream needs a connection that resets when the program is killed")
{
    Relay relay({.lent_thread = true});
    Ends ends;
    prepare_for_relay(ends.first.get());
    prepare_for_relay(ends.second.get(), true);
    const Fd same(::dup(ends.second.get()));
    const auto would_reset = [&same] {
        linger option{};
        socklen_t size = sizeof option;
        ::getsockopt(same.get(), SOL_SOCKET, SO_LINGER, &option, &size);
        return option.l_onoff == 1 && option.l_linger == 0;
    };
    relay.hand_over(
        std::move(ends.first), std::move(ends.second), [](Flow&) {}, framed());
    Stream& visitor = ends.one.here;
    Stream& peer = ends.two.here;
    visitor.send("small");
    CHECK(eventually([&] { return relay.poll(), peer.readable_within(0ms); }));
    CHECK(peer.receive(8) == data_frame("small"));
    CHECK_FALSE(would_reset()); // its peer misses the frame that ends the stream
    auto sending = std::async(std::launch::async, [&] { visitor.send(random_text(1'000'000, 1)); });
    auto receiving = std::async(std::launch::async, [&] { return peer.receive(1'000'000); });
    while (receiving.wait_for(0ms) != std::future_status::ready)
        relay.poll();
    sending.get();
    CHECK(receiving.get().find(raw_frame) != std::string::npos);
    CHECK(would_reset());
}

TEST_CASE("what announces a stream goes out at once, with the first bytes if they are there")
{
    Relay relay({.lent_thread = true});
    std::string first;
    SUBCASE("they are there")
    {
        first = data_frame("first");
    }
    SUBCASE("they are not") {}
    Beside pair = beside(relay, true, {}, "announced", [&first](Stream& visitor) {
        if (!first.empty())
            visitor.send("first");
    });
    // It is there as soon as the pair has been handed over, all of it, and no poll() was needed.
    std::array<char, 100> room{};
    const ssize_t size = ::recv(pair.peer.descriptor(), room.data(), room.size(), MSG_DONTWAIT);
    CHECK(std::string(room.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0))) ==
          "announced" + first);
    pair.peer.send(start_frame);
    pair.left.send("!");
    pair.left.finish();
    const std::string rest = data_frame("!") + end_frame;
    CHECK(eventually([&] { return relay.poll(), pair.peer.readable_within(0ms); }));
    for (int i = 0; i < 100; ++i)
        relay.poll();
    CHECK(pair.peer.receive(rest.size()) == rest);
}

TEST_CASE("a start before the announcement starts nothing, and holds nothing back without bound")
{
    Relay relay(plain_relay());
    Beside pair = beside(relay, true, start_frame, "announced",
                         [](Stream& visitor) { visitor.send("question"); });
    Flow flow = pair.end();
    CHECK(flow.end == End::second_failed);
    CHECK_FALSE(flow.second.is_open());
    CHECK(pair.left.ending() == Ending::reset);
}

TEST_CASE("a peer that closes a framed connection before both streams have ended has cut them")
{
    Relay relay(plain_relay());
    Beside pair = beside(relay);
    pair.left.send("question");
    CHECK(pair.peer.receive(11) == data_frame("question"));
    SUBCASE("after its own stream")
    {
        pair.peer.send(data_frame("answer") + end_frame);
        CHECK(pair.left.receive_all() == "answer");
        pair.peer.finish();
    }
    SUBCASE("together with the end of its own stream")
    {
        pair.peer.send(end_frame);
        pair.peer.finish();
    }
    CHECK(pair.end().end == End::second_failed);
}

TEST_CASE("a connection on which nothing was announced can be used for another visitor")
{
    Relay relay(plain_relay());
    Beside pair = beside(relay, true, {}, "announced", [](Stream& visitor) { visitor.reset(); });
    Flow flow = pair.end();
    CHECK(flow.end == End::first_failed);
    REQUIRE(flow.second.is_open());
    Stream again(flow.second.release());
    again.send("x");
    CHECK(pair.peer.receive(1) == "x");
}

TEST_CASE("a framed stream that is cut resets its connection")
{
    Relay relay(plain_relay());
    Beside pair = beside(relay);
    pair.left.send("half");
    CHECK(pair.peer.receive(7) == data_frame("half"));
    pair.left.reset();
    CHECK(pair.peer.ending() == Ending::reset);
}

TEST_CASE("what a visitor sent behind its first bytes is passed on after the start, once")
{
    Relay relay(plain_relay());
    Beside pair = beside(relay, true);
    pair.left.send("first");
    CHECK(pair.peer.receive(8) == data_frame("first"));
    std::string all = "first";
    SUBCASE("nothing") {}
    SUBCASE("a little")
    {
        pair.left.send(" and more");
        all += " and more";
    }
    SUBCASE("much")
    {
        const std::string much = random_text(40'000, 1);
        pair.left.send(much);
        all += much;
    }
    pair.left.finish();
    CHECK_FALSE(pair.peer.readable_within(20ms));
    pair.peer.send(start_frame);
    std::string stream = "first";
    for (std::string header = pair.peer.receive(3); header != end_frame;
         header = pair.peer.receive(3)) {
        const std::size_t size = static_cast<std::size_t>(static_cast<unsigned char>(header[0]))
                                     << 8 |
                                 static_cast<unsigned char>(header[1]);
        REQUIRE(header[2] == data_frame("")[2]);
        stream += pair.peer.receive(size - 3);
    }
    CHECK((stream == all));
    pair.peer.send(end_frame);
    CHECK(pair.end().first_to_second == all.size());
}

TEST_CASE("a connection that ends without a frame that says so cuts the stream")
{
    Relay relay(plain_relay());
    Beside pair = beside(relay);
    pair.peer.send(data_frame("half of it"));
    pair.peer.finish();
    CHECK(pair.left.ending() == Ending::reset);
    const Flow flow = pair.end();
    CHECK(flow.end == End::second_failed);
    CHECK_FALSE(flow.first.is_open());
}

TEST_CASE("a frame of an impossible size cuts the stream")
{
    Relay relay(plain_relay());
    Beside pair = beside(relay);
    pair.peer.send(std::string("\0\2\14", 3));
    CHECK(pair.left.ending() == Ending::reset);
    CHECK(pair.peer.ending() == Ending::reset);
}

TEST_CASE(
    "a start that may wait for the first piece goes before all else, and by itself if need be")
{
    RelayOptions options = plain_relay();
    SUBCASE("while the relay looks for more")
    {
        options.spin = 50us;
    }
    SUBCASE("when it sleeps at once")
    {
        options.spin = 0us;
    }
    Relay relay(options);
    const auto begin = [&](const std::function<void(Stream&)>& before) {
        return beside(relay, false, {}, start_frame, before, true);
    };

    Beside silent = begin({});
    CHECK(silent.peer.receive(3) == start_frame);
    silent.left.send("late");
    CHECK(silent.peer.receive(7) == data_frame("late"));

    Beside talking = begin([](Stream& left) { left.send("answer"); });
    CHECK(talking.peer.receive(12) == start_frame + data_frame("answer"));

    Beside ended = begin([](Stream& left) {
        left.send("answer");
        left.finish();
    });
    CHECK(ended.peer.receive(15) == start_frame + data_frame("answer").append(end_frame));
    ended.peer.send(end_frame);
    const Flow flow = ended.end();
    CHECK(flow.first_to_second == 6);
    CHECK(flow.second.is_open());

    Beside mute = begin([](Stream& left) { left.finish(); });
    CHECK(mute.peer.receive(6) == start_frame + end_frame);

    const std::string text = random_text(300'000, 5);
    Beside large = begin([&](Stream& left) { left.send(text); });
    const std::string sent = large.peer.receive(6);
    CHECK(sent == start_frame + raw_frame);
    CHECK((large.peer.receive(text.size()) == text));

    Beside broken = begin([](Stream& left) { left.reset(); });
    CHECK(broken.peer.ending() == Ending::reset);
}

TEST_CASE("until the other side has started, the visitor's bytes are sent but not taken")
{
    Relay relay(plain_relay());
    Beside pair = beside(relay, true, {}, {}, [](Stream& left) { left.send("request"); });
    CHECK(pair.peer.receive(10) == data_frame("request"));
    pair.left.send(" and more");
    CHECK_FALSE(pair.peer.readable_within(50ms)); // once is enough before the start
    SUBCASE("and are taken once it has")
    {
        pair.peer.send(start_frame + data_frame("answer"));
        CHECK(pair.left.receive(6) == "answer");
        CHECK(pair.peer.receive(12) == data_frame(" and more"));
        pair.left.finish();
        pair.peer.send(end_frame);
        CHECK(pair.end().first_to_second == 16);
    }
    SUBCASE("and are all still there when the connection breaks")
    {
        pair.peer.reset();
        Flow flow = pair.end();
        CHECK(flow.end == End::not_started);
        REQUIRE(flow.first.is_open());
        Stream visitor(flow.first.release());
        CHECK(visitor.receive(16) == "request and more");
    }
    SUBCASE("and are all still there when the connection ends")
    {
        pair.peer.finish();
        Flow flow = pair.end();
        CHECK(flow.end == End::not_started);
        CHECK(flow.first.is_open());
    }
    SUBCASE("and are all still there when it is refused")
    {
        const Refuse refuse{{}, "no such server"};
        pair.peer.send(encode(refuse));
        Flow flow = pair.end();
        CHECK(flow.end == End::refused);
        REQUIRE(flow.first.is_open());
        Stream visitor(flow.first.release());
        CHECK(visitor.receive(16) == "request and more");
    }
    SUBCASE("and are let go with a reset when it is refused and nobody takes them")
    {
        const Refuse refuse{{}, "no such server"};
        pair.peer.send(encode(refuse));
        {
            const Flow flow = pair.end();
            CHECK(flow.end == End::refused);
            CHECK(flow.refusal.find("no such server") != std::string::npos);
        }
        CHECK(pair.left.ending() == Ending::reset);
    }
}

TEST_CASE("a visitor that ends before the start is passed on whole after it")
{
    Relay relay(plain_relay());
    Beside pair = beside(relay, true);
    pair.left.send("all");
    pair.left.finish();
    CHECK(pair.peer.receive(6) == data_frame("all"));
    pair.peer.send(start_frame);
    CHECK(pair.peer.receive(3) == end_frame);
    pair.peer.send(end_frame);
    CHECK(pair.left.receive_all().empty());
    CHECK(pair.end().end == End::finished);
}

TEST_CASE("a visitor that resets before the start ends the pair")
{
    Relay relay(plain_relay());
    Beside pair = beside(relay, true);
    pair.left.reset();
    CHECK(pair.peer.receive_all().empty());
    CHECK(pair.end().end == End::first_failed);
}

TEST_CASE("a connection that breaks right behind the first bytes of an answer has started")
{
    Relay relay({.lent_thread = true}); // so that all of it is there when it looks
    Beside pair = beside(relay, true);
    pair.peer.send(start_frame + data_frame("x"));
    pair.peer.finish();
    while (relay.live() > 0)
        relay.poll();
    const Flow flow = pair.end();
    CHECK(flow.end == End::second_failed);
    CHECK_FALSE(flow.first.is_open());
    CHECK(pair.left.ending() == Ending::reset);
}

TEST_CASE("a late start does not count as a time without bytes")
{
    RelayOptions options = plain_relay();
    options.idle_timeout = 100ms;
    Relay relay(options);
    Beside pair = beside(relay, true);
    CHECK_FALSE(pair.left.readable_within(200ms)); // awaiting the start has a limit of its own
    const auto began = Clock::now();
    pair.peer.send(start_frame);
    CHECK(pair.left.ending() == Ending::reset);
    CHECK(Clock::now() - began >= 90ms);
    CHECK(pair.end().end == End::idle_timeout);
}

TEST_CASE("a peer that does not acknowledge what it was sent has not started")
{
    RelayOptions options = plain_relay();
    options.start_patience = 50ms;
    Relay relay(options);
    // More than all buffers on the way hold, and the peer does not read.
    Beside pair = beside(relay, true, {}, std::string(32 << 20, 'x'));
    const Flow flow = pair.end();
    CHECK(flow.end == End::not_started);
    CHECK(flow.first.is_open());

    Beside slow = beside(relay, true); // has acknowledged everything, and may take its time
    CHECK_FALSE(slow.left.readable_within(150ms));
    CHECK(relay.live() == 1);
}

TEST_CASE("a start that does not come in time ends the pair")
{
    RelayOptions options = plain_relay();
    options.start_timeout = 50ms;
    Relay relay(options);
    Beside pair = beside(relay, true);
    CHECK(pair.left.ending() == Ending::reset);
    CHECK(pair.end().end == End::start_timeout);
    Beside started = beside(relay, true);
    started.peer.send(start_frame);
    CHECK_FALSE(started.left.readable_within(100ms));
    CHECK(relay.live() == 1);
}

TEST_CASE("one connection carries a thousand streams, and each gets its own bytes")
{
    Relay relay({.workers = 2, .spin = 50us});
    Connected between = connected();
    Channel near(between.here.release());
    Channel far(between.there.release());
    prepare_for_relay(near.descriptor(), true);
    prepare_for_relay(far.descriptor(), true);
    for (std::uint32_t i = 0; i < 1000; ++i) {
        Connected outside = connected();
        Connected inside = connected();
        std::promise<Flow> near_flow;
        std::promise<Flow> far_flow;
        Fd visitor = outside.there.release();
        Fd server = inside.there.release();
        prepare_for_relay(visitor.get());
        prepare_for_relay(server.get());
        relay.hand_over(
            std::move(visitor), std::move(near),
            [&](Flow& flow) { near_flow.set_value(std::move(flow)); },
            framed({.awaits_start = i % 2 == 0}));
        relay.hand_over(
            std::move(server), std::move(far),
            [&](Flow& flow) { far_flow.set_value(std::move(flow)); },
            framed({.unsent = start_frame}));
        const std::string question = random_text(i % 3000, i);
        const std::string answer = random_text(i * 7 % 20'000, i + 1);
        outside.here.send(question);
        outside.here.finish();
        CHECK((inside.here.receive_all() == question));
        inside.here.send(answer);
        inside.here.finish();
        CHECK((outside.here.receive_all() == answer));
        near = std::move(near_flow.get_future().get().second);
        far = std::move(far_flow.get_future().get().second);
        REQUIRE(near.is_open());
        REQUIRE(far.is_open());
        CHECK_FALSE(near.has_read_ahead());
        CHECK_FALSE(far.has_read_ahead());
    }
}
