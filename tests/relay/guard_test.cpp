// A stream of which nothing is passed on before its first bytes have been looked at.
#include <doctest/doctest.h>

#include <future>

#include <sys/socket.h>

#include "tests/support/joined.hpp"
#include "tests/support/stream_frames.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

constexpr std::string_view bad = "BAD WORDS";

Beginning no_bad_words(std::string_view first)
{
    if (first.starts_with(bad))
        return Beginning::forbidden;
    return bad.starts_with(first) ? Beginning::undecided : Beginning::allowed;
}

struct Guarded {
    explicit Guarded(Relay& relay, bool framed = false, bool awaits_start = false)
    {
        prepare_for_relay(ends.first.get());
        prepare_for_relay(ends.second.get(), framed);
        const auto promise = std::make_shared<std::promise<Flow>>();
        auto done = [promise](Flow& flow) { promise->set_value(std::move(flow)); };
        PairOptions options;
        options.guard = no_bad_words;
        if (framed)
            options.framed = FramedStream{.awaits_start = awaits_start};
        relay.hand_over(std::move(ends.first), std::move(ends.second), std::move(done),
                        std::move(options));
        pair.emplace(ends.joined(promise->get_future()));
    }

    Ends ends;
    std::optional<Joined> pair;
};

} // namespace

TEST_CASE("a stream that begins as it must not is reset, and not a byte of it is passed on")
{
    Relay relay(plain_relay());
    Guarded guarded(relay);
    auto& [left, right, flow] = *guarded.pair;
    SUBCASE("at once")
    {
        left.send("BAD WORDS and all the rest of them, and more than are looked at");
    }
    SUBCASE("byte by byte")
    {
        for (const char c : bad)
            left.send(std::string_view(&c, 1));
    }
    SUBCASE("with a large stream behind it")
    {
        left.send(std::string(bad) + random_text(100'000, 1));
    }
    SUBCASE("and has ended")
    {
        left.send(bad);
        left.finish();
    }
    SUBCASE("behind a mark of urgent data, at which a read stops")
    {
        left.send("BAD");
        CHECK(::send(left.descriptor(), " ", 1, MSG_OOB | MSG_NOSIGNAL) == 1);
        left.send("WORDS");
        left.finish();
    }
    CHECK_THROWS_AS(right.receive(1), std::system_error); // a reset, and no end
    CHECK(left.ending() == Ending::reset);
    const Flow end = end_of(*guarded.pair);
    CHECK(end.end == End::forbidden);
    CHECK(end.first_to_second == 0);
}

TEST_CASE("a stream waits only while it may still begin as it must not, and the answer does not")
{
    Relay relay(plain_relay());
    Guarded guarded(relay);
    auto& [left, right, flow] = *guarded.pair;
    right.send("I speak first"); // before the other has said a word
    CHECK(left.receive(13) == "I speak first");
    left.send("BAD");
    right.send("go on"); // and while it has said too little
    CHECK(left.receive(5) == "go on");
    CHECK_FALSE(right.readable_within(50ms));
    left.send("GER");
    CHECK(right.receive(6) == "BADGER");
    left.send("BAD WORDS"); // which matter at the beginning alone
    CHECK(right.receive(9) == "BAD WORDS");
    left.finish();
    right.finish();
    CHECK(end_of(*guarded.pair).end == End::finished);
}

TEST_CASE("a stream that has ended before it was decided is passed on")
{
    Relay relay(plain_relay());
    Guarded guarded(relay);
    auto& [left, right, flow] = *guarded.pair;
    std::string text;
    SUBCASE("without a byte") {}
    SUBCASE("with a few")
    {
        text = "BAD WORD";
    }
    left.send(text);
    left.finish();
    CHECK(right.receive_all() == text);
    right.send("answer");
    right.finish();
    CHECK(left.receive_all() == "answer");
    CHECK(end_of(*guarded.pair).end == End::finished);
}

TEST_CASE("large streams pass a guard unchanged, both ways")
{
    Relay relay(plain_relay());
    Guarded guarded(relay);
    auto& [left, right, flow] = *guarded.pair;
    const std::string up = random_text(8 << 20, 1);
    auto sending = std::async(std::launch::async, [&left = left, &up] {
        send_in_pieces(left, up, 3);
        left.finish();
    });
    CHECK((right.receive_all() == up));
    sending.get();
}

TEST_CASE("nothing of a forbidden stream is sent ahead on a connection that waits for its start")
{
    Relay relay(plain_relay());
    Guarded guarded(relay, true, true);
    auto& [left, right, flow] = *guarded.pair;
    SUBCASE("before the start")
    {
        left.send(bad);
        CHECK(right.ending() == Ending::end_of_stream); // it carried other streams before
    }
    SUBCASE("after it")
    {
        left.send("BAD");
        CHECK_FALSE(right.readable_within(50ms));
        right.send(start_frame);
        left.send(" WORDS");
        CHECK_THROWS_AS(right.receive(1), std::system_error);
    }
    CHECK(left.ending() == Ending::reset);
    CHECK(end_of(*guarded.pair).end == End::forbidden);
}

TEST_CASE("what a guard allows is sent ahead, once")
{
    Relay relay(plain_relay());
    Guarded guarded(relay, true, true);
    auto& [left, right, flow] = *guarded.pair;
    left.send("BADGER");
    CHECK(right.receive(9) == data_frame("BADGER"));
    right.send(start_frame);
    left.send(" and more");
    CHECK(right.receive(12) == data_frame(" and more"));
}
