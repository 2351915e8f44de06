// Limits of time, with a clock that the test sets. The pairs have no sockets: nothing drains.
#include <doctest/doctest.h>

#include "common/relay/pair_timers.hpp"
#include "tests/support/line_filter.hpp"

using namespace std::chrono_literals;
using namespace tunnel;

namespace {

constexpr PairTimers::Time start{1h};

struct Timed {
    explicit Timed(bool awaits_start = false)
    {
        PairOptions how;
        if (awaits_start)
            how.framed = FramedStream{.awaits_start = true};
        pair.emplace(
            Channel(), Channel(), [](Flow&) {}, std::move(how));
        pair->began = start;
        pair->last_byte = start;
        timers.set(*pair, start);
    }

    RelayOptions options{
        .half_close_timeout = 10s, .idle_timeout = 60s, .start_timeout = 20s, .start_patience = 3s};
    PairTimers timers{options};
    std::optional<Pair> pair;
};

} // namespace

TEST_CASE("a pair that is idle for too long comes due, and not before")
{
    Timed timed;
    CHECK(timed.timers.next() == start + 60s);
    CHECK_FALSE(timed.timers.is_due(start + 60s - 1ns));
    REQUIRE(timed.timers.is_due(start + 60s));
    CHECK(&timed.timers.first_due() == &*timed.pair);
    CHECK(timed.timers.examine(*timed.pair, start + 60s) == End::idle_timeout);
}

TEST_CASE("bytes since then set the timer anew when it comes due")
{
    Timed timed;
    timed.pair->last_byte = start + 50s;
    CHECK(timed.timers.examine(*timed.pair, start + 60s) == std::nullopt);
    CHECK(timed.timers.next() == start + 110s);
    CHECK(timed.timers.examine(*timed.pair, start + 110s) == End::idle_timeout);
}

TEST_CASE("a pair that waits for its turn is not idle")
{
    Timed timed;
    timed.timers.await_turn(*timed.pair, start + 100s);
    CHECK(timed.timers.examine(*timed.pair, start + 60s) == std::nullopt);
    CHECK(timed.timers.next() == start + 100s);
}

TEST_CASE("a start may be awaited for as long as the limit says, counted from the beginning")
{
    Timed timed(true);
    CHECK(timed.timers.next() == start + 3s); // whether what was sent has been acknowledged
    CHECK(timed.timers.examine(*timed.pair, start + 3s) == std::nullopt);
    CHECK(timed.timers.next() == start + 20s);
    CHECK(timed.timers.examine(*timed.pair, start + 20s) == End::start_timeout);
}

TEST_CASE("a turn comes at the earlier of two times, and once")
{
    Timed timed;
    timed.timers.await_turn(*timed.pair, start + 5s);
    timed.timers.await_turn(*timed.pair, start + 7s);
    CHECK(timed.timers.next() == start + 5s);
    timed.timers.await_turn(*timed.pair, start + 4s);
    CHECK_FALSE(timed.timers.is_turn_due(start + 4s - 1ns));
    REQUIRE(timed.timers.is_turn_due(start + 4s));
    CHECK(&timed.timers.take_turn() == &*timed.pair);
    CHECK_FALSE(timed.pair->is_throttled());
    CHECK_FALSE(timed.timers.is_turn_due(start + 1h));
}

TEST_CASE("a pair that is forgotten never comes due")
{
    Timed timed;
    timed.timers.await_turn(*timed.pair, start + 5s);
    timed.timers.forget(*timed.pair);
    timed.timers.forget(*timed.pair);
    CHECK(timed.timers.next() == PairTimers::Time::max());
}

TEST_CASE("a filter hears of silence once in a second, and may hand the pair back then")
{
    Timed timed;

    struct Impatient final : test::LineFilter {
        Impatient() : LineFilter({}, std::make_shared<Seen>()) {}

        bool is_done() const override { return is_over; }

        void on_silence(std::chrono::milliseconds silence) override { is_over = silence >= 2s; }

        bool is_over = false;
    };

    timed.pair->filter = std::make_unique<Impatient>();
    timed.timers.set(*timed.pair, start);
    CHECK(timed.timers.next() == start + 1s);
    CHECK(timed.timers.examine(*timed.pair, start + 1s) == std::nullopt);
    CHECK(timed.timers.next() == start + 2s);
    timed.pair->last_byte = start + 500ms;
    CHECK(timed.timers.examine(*timed.pair, start + 2s) == std::nullopt);
    CHECK(timed.timers.examine(*timed.pair, start + 3s) == End::handed_back);
}

TEST_CASE("a pair whose filter has gone has no limit of time if there is none")
{
    Timed timed;
    timed.options = {};
    timed.pair->filter = std::make_unique<test::LineFilter>(
        test::LineFilter::Rules(), std::make_shared<test::LineFilter::Seen>());
    timed.timers.set(*timed.pair, start);
    REQUIRE(timed.timers.is_due(start + 1s));
    timed.pair->filter.reset();
    CHECK(timed.timers.examine(*timed.pair, start + 1s) == std::nullopt);
    CHECK(timed.timers.next() == PairTimers::Time::max());
}
