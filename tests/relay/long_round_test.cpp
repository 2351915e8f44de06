// A round of a worker that takes long is noticed.
#include <doctest/doctest.h>

#include <ctime>

#include "tests/support/joined.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

// Of processor time of the calling thread.
void work_for(std::chrono::nanoseconds time)
{
    const auto used = [] {
        timespec now{};
        ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
        return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
    };
    const auto enough = used() + time;
    while (used() < enough) {
    }
}

// How long the rounds were in which two pairs ended, one after the other, when the second one's
// end took so long.
ThreadTurns ended_slowly(Relay& relay, std::chrono::milliseconds time)
{
    Joined first = join(relay);
    first.left.send("x");
    CHECK(first.right.receive(1) == "x");
    Ends ends;
    std::promise<void> ended;
    relay.hand_over(std::move(ends.first), std::move(ends.second), [&](const Flow&) {
        work_for(time);
        ended.set_value();
    });
    ends.one.here.finish();
    ends.two.here.finish();
    ended.get_future().wait();
    first.left.send("y"); // the round before it is over when this passes
    CHECK(first.right.receive(1) == "y");
    return relay.take_longest_turns().at(0);
}

} // namespace

TEST_CASE("threads that sleep are woken to see that they turn, and one that is held up is seen")
{
    RelayOptions options = plain_relay();
    options.workers = 2;
    Relay relay(options);
    const auto turn = [&relay] {
        const auto limit = std::chrono::steady_clock::now() + 10s;
        while (!relay.threads_turn() && std::chrono::steady_clock::now() < limit)
            std::this_thread::sleep_for(1ms);
        return std::chrono::steady_clock::now() < limit;
    };
    CHECK(turn());
    CHECK(turn()); // so both have had one since the first
    Ends ends;
    std::promise<void> held;
    std::promise<void> go_on;
    relay.hand_over(std::move(ends.first), std::move(ends.second), [&](const Flow&) {
        held.set_value();
        go_on.get_future().wait();
    });
    ends.one.here.finish();
    ends.two.here.finish();
    held.get_future().wait();
    relay.threads_turn(); // the other one may be on its way
    CHECK_FALSE(relay.threads_turn());
    go_on.set_value();
    CHECK(turn());
}

TEST_CASE("a worker's round that takes long is noticed, whether it sleeps at once or spins")
{
    for (const auto spin : {0us, 200us}) {
        RelayOptions options = plain_relay();
        options.spin = spin;
        Relay relay(options);
        const ThreadTurns turns = ended_slowly(relay, 50ms);
        CHECK(turns.thread == "relay-0");
        CHECK(turns.longest >= 50ms);
        CHECK(turns.longest_cpu >= 40ms);
        CHECK(relay.take_longest_turns().at(0).longest < 50ms);
    }
}

TEST_CASE("a worker that sleeps has no long round")
{
    Relay relay(plain_relay());
    Joined joined = join(relay);
    for (int i = 0; i < 3; ++i) {
        CHECK_FALSE(joined.right.readable_within(60ms)); // while it sleeps
        joined.left.send("x");
        CHECK(joined.right.receive(1) == "x");
    }
    CHECK(relay.take_longest_turns().at(0).longest_cpu < 40ms);
}

TEST_CASE("a lent thread's rounds are for who lends it to watch")
{
    Relay relay({.workers = 2, .lent_thread = true});
    const AllTurns turns = relay.take_longest_turns();
    REQUIRE(turns.size() == 1);
    CHECK(turns[0].thread == "relay-1");
}
