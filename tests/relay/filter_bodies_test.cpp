// Much, or slowly, through a filter.
#include <doctest/doctest.h>

#include <future>

#include "tests/relay/filtered.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;
using Rules = LineFilter::Rules;

TEST_CASE("all that is meant for the first has reached it before the pair is handed back")
{
    Relay relay(plain_relay());
    for (const bool is_framed : {false, true}) {
        Filtered pair = filtered(relay, {}, is_framed ? in_frames() : How());
        const std::string body = random_text(8 << 20, 1);
        auto sending = std::async(std::launch::async, [&] {
            pair.peer.send(is_framed ? data_frame("=8388608\n") : "=8388608\n");
            for (std::size_t at = 0; at < body.size(); at += 32 * 1024) {
                const std::string piece = body.substr(at, 32 * 1024);
                pair.peer.send(is_framed ? data_frame(piece) : piece);
            }
            pair.peer.send(is_framed ? data_frame("stop\n") : "stop\n");
        });
        CHECK(pair.flow.wait_for(50ms) == std::future_status::timeout); // nobody reads yet
        CHECK(pair.left.receive(11) == "< =8388608\n");
        CHECK((pair.left.receive(body.size()) == body));
        CHECK(pair.left.receive(7) == "< stop\n");
        sending.get();
        Flow flow = pair.end();
        check_handed_back(flow);
        check_works(flow.first, pair.left);
        check_works(flow.second, pair.peer);
    }
}

TEST_CASE("large bodies pass unseen to the byte, and what is behind them is shown again")
{
    Relay relay(plain_relay());
    const std::string body = random_text((4 << 20) + 4321, 1);
    const std::string head = "=" + std::to_string(body.size()) + "\n";
    SUBCASE("plain, both ways at once")
    {
        Filtered pair = filtered(relay);
        auto up = std::async(std::launch::async, [&] {
            send_in_pieces(pair.left, head + body + "a\n" + head + body, 1);
        });
        auto down = std::async(std::launch::async,
                               [&] { send_in_pieces(pair.peer, head + body + "b\nc\n", 2); });
        auto down_read = std::async(std::launch::async, [&] {
            CHECK(pair.left.receive(head.size() + 2) == "< " + head);
            CHECK((pair.left.receive(body.size()) == body));
            CHECK(pair.left.receive(8) == "< b\n< c\n");
        });
        for (int i = 0; i < 2; ++i) {
            CHECK(pair.peer.receive(head.size() + 2) == "> " + head);
            CHECK((pair.peer.receive(body.size()) == body));
            if (i == 0)
                CHECK(pair.peer.receive(4) == "> a\n");
        }
        up.get();
        down.get();
        down_read.get();
        CHECK(pair.seen->passed > 9 << 20); // nearly all of 12 MiB
        pair.left.send("stop\n");
        Flow flow = pair.end();
        check_handed_back(flow);
        CHECK(flow.first_to_second == 2 * (body.size() + head.size() + 2) + 4);
        check_works(flow.second, pair.peer);
    }
    SUBCASE("forth into frames, which end then: the next pair goes on without them")
    {
        Filtered pair = filtered(relay, {}, in_frames());
        auto up = std::async(std::launch::async,
                             [&] { send_in_pieces(pair.left, head + body + "a\nstop\n", 1); });
        const std::string seen = receive_until(pair.peer, "> a\n");
        up.get();
        CHECK((unframed(seen) == "> " + head + body + "> a\n"));
        Flow flow = pair.end();
        check_handed_back(flow);
        CHECK(flow.sends_raw);
        CHECK_FALSE(flow.receives_raw);
        REQUIRE(flow.second.is_open());
        const auto promise = std::make_shared<std::promise<Flow>>();
        PairOptions options = framed({.sends_raw = true});
        options.filter = std::make_unique<LineFilter>(Rules{.beginning = "begin\n"}, pair.seen);
        relay.hand_over(
            std::move(flow.first), std::move(flow.second),
            [promise](Flow& ended) { promise->set_value(std::move(ended)); }, std::move(options));
        CHECK(pair.peer.receive(6) == "begin\n");
        pair.left.send("x\n");
        CHECK(pair.peer.receive(4) == "> x\n");
        pair.peer.send(data_frame("y\n"));
        CHECK(pair.left.receive(4) == "< y\n");
        pair.left.finish();
        CHECK(pair.peer.receive_all() == "");
        pair.peer.send(end_frame);
        CHECK(promise->get_future().get().end == End::handed_back);
    }
    SUBCASE("back after a raw frame")
    {
        Filtered pair = filtered(relay, {}, in_frames());
        auto down = std::async(std::launch::async, [&] {
            pair.peer.send(data_frame("a\n") + data_frame(head) + raw_frame + body + "b\nstop\n");
        });
        CHECK(pair.left.receive(4) == "< a\n");
        CHECK(pair.left.receive(head.size() + 2) == "< " + head);
        CHECK((pair.left.receive(body.size()) == body));
        CHECK(pair.left.receive(11) == "< b\n< stop\n");
        down.get();
        CHECK(pair.seen->passed > 1 << 20);
        Flow flow = pair.end();
        check_handed_back(flow);
        CHECK(flow.receives_raw);
        CHECK_FALSE(flow.sends_raw);
        check_works(flow.second, pair.peer);
    }
}

TEST_CASE("a slow reader stops what is shown to the filter, and gets all of it in the end")
{
    Relay relay(plain_relay());
    for (const bool is_framed : {false, true}) {
        Filtered pair = filtered(relay, {}, is_framed ? in_frames() : How());
        std::string lines;
        std::string expected;
        for (std::uint32_t i = 0; lines.size() < 16 << 20; ++i) {
            const std::string line = std::to_string(i) + std::string(i % 900, 'a') + "\n";
            lines += line;
            expected += "> " + line;
        }
        auto sending = std::async(std::launch::async, [&] {
            pair.left.send(lines);
            pair.left.finish();
        });
        CHECK(sending.wait_for(100ms) == std::future_status::timeout);
        CHECK(pair.seen->shown < lines.size());
        std::string seen;
        if (is_framed)
            seen = unframed(receive_until(pair.peer, end_frame)); // which adds nothing
        else
            seen = pair.peer.receive_all();
        sending.get();
        CHECK((seen == expected));
    }
}

TEST_CASE("limits of bandwidth hold beside a filter")
{
    constexpr std::uint64_t rate = 2'000'000;
    Relay relay(plain_relay());
    for (const bool is_framed : {false, true}) {
        How how = is_framed ? in_frames() : How();
        how.limits.first_to_second = {std::make_shared<Bandwidth>(rate, Bandwidth::Use::alone)};
        how.limits.second_to_first = {std::make_shared<Bandwidth>(rate, Bandwidth::Use::alone)};
        Filtered pair = filtered(relay, {}, std::move(how));
        const std::string body = random_text(400'000, 1);
        const std::string head = "=400000\n";
        const auto began = Clock::now();
        auto up = std::async(std::launch::async, [&] { pair.left.send(head + body + "a\n"); });
        auto down = std::async(std::launch::async, [&] {
            const std::string all = head + body + "a\n";
            for (std::size_t at = 0; at < all.size(); at += 10'000) {
                const std::string piece = all.substr(at, 10'000);
                pair.peer.send(is_framed ? data_frame(piece) : piece);
            }
        });
        auto read_up = std::async(std::launch::async, [&] {
            const std::string seen = receive_until(pair.peer, "> a\n");
            return is_framed ? unframed(seen) : seen;
        });
        CHECK(pair.left.receive(head.size() + 2) == "< " + head);
        CHECK((pair.left.receive(body.size()) == body));
        CHECK(pair.left.receive(4) == "< a\n");
        up.get();
        down.get();
        CHECK((read_up.get() == "> " + head + body + "> a\n"));
        CHECK(Clock::now() - began > 120ms); // 200 ms, less what a limit lets through at once
        pair.left.send("stop\n");
        Flow flow = pair.end();
        check_handed_back(flow);
        check_works(flow.second, pair.peer);
    }
}
