// The relay without a thread of its own, driven by the test.
#include <doctest/doctest.h>

#include <poll.h>

#include "tests/support/joined.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

bool has_news(const Relay& relay, std::chrono::milliseconds within)
{
    pollfd ready{relay.descriptor(), POLLIN, 0};
    return ::poll(&ready, 1, static_cast<int>(within.count())) == 1;
}

// Lends the thread as the programs do, until nothing more happens for a while.
void drive(Relay& relay)
{
    do {
        while (relay.poll() || !relay.may_sleep()) {
        }
    } while (has_news(relay, 50ms));
}

} // namespace

TEST_CASE("with a lent thread nothing moves but in poll(), and the descriptor says when to call it")
{
    Relay relay({.lent_thread = true});
    Joined joined = join(relay);
    drive(relay);
    CHECK_FALSE(relay.poll());
    CHECK(relay.may_sleep());
    CHECK_FALSE(has_news(relay, 0ms));

    joined.left.send("question");
    CHECK(has_news(relay, 5s));
    CHECK_FALSE(joined.right.readable_within(20ms));
    CHECK(relay.poll());
    CHECK(joined.right.receive(8) == "question");

    joined.right.finish();
    joined.left.finish();
    drive(relay);
    CHECK(end_of(joined).end == End::finished);
    CHECK(relay.live() == 0);
}

TEST_CASE("a limit of time that is reached makes the descriptor ready")
{
    Relay relay({.lent_thread = true, .idle_timeout = 100ms});
    Joined joined = join(relay);
    const auto began = Clock::now();
    while (relay.live() > 0) {
        while (relay.poll() || !relay.may_sleep()) {
        }
        if (relay.live() > 0)
            REQUIRE(has_news(relay, 5s));
    }
    CHECK(Clock::now() - began >= 100ms);
    CHECK(end_of(joined).end == End::idle_timeout);
    CHECK(joined.left.ending() == Ending::reset);
}

TEST_CASE("while pairs have more to move than they may at once, the thread may not sleep")
{
    Relay relay({.lent_thread = true});
    std::vector<Joined> pairs;
    for (int i = 0; i < 12; ++i)
        pairs.push_back(join(relay));
    drive(relay);
    std::size_t waiting = 0;
    for (Joined& pair : pairs)
        waiting += fill(pair.left);
    REQUIRE(waiting > (16 << 20)); // twice what one round may move
    CHECK(relay.poll());
    CHECK_FALSE(relay.may_sleep());
    drive(relay);
    CHECK(relay.may_sleep());
}

TEST_CASE("stopping a relay with a lent thread reports what is left, and what comes later")
{
    Relay relay({.workers = 2, .lent_thread = true});
    Joined first = join(relay);
    Joined second = join(relay); // has a thread of its own
    relay.stop();
    CHECK(end_of(first).end == End::stopped);
    CHECK(end_of(second).end == End::stopped);
    Joined late = join(relay);
    CHECK(end_of(late).end == End::stopped);
    CHECK(late.right.ending() == Ending::reset);
}
