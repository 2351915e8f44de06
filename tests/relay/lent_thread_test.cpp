// The relay without a thread of its own, driven by the test.
#include <doctest/doctest.h>

#include <algorithm>
#include <ctime>

#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "tests/support/joined.hpp"
#include "tests/support/stream_frames.hpp"

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

// CPU time of this thread, on which others do not count.
std::chrono::nanoseconds time_used()
{
    timespec used{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

// Of all calls of poll() until there is nothing more to do.
std::chrono::nanoseconds longest_round(Relay& relay)
{
    std::chrono::nanoseconds longest{};
    do {
        bool more = true;
        while (more) {
            const auto before = time_used();
            more = relay.poll();
            longest = std::max(longest, time_used() - before);
            more = !relay.may_sleep() || more;
        }
    } while (has_news(relay, 50ms));
    return longest;
}

// A connection beside `relay` that carries frames, with the end that its peer has.
Stream framed_peer(Relay& relay, std::vector<Stream>& visitors)
{
    Ends ends;
    prepare_for_relay(ends.first.get());
    prepare_for_relay(ends.second.get());
    relay.hand_over(
        std::move(ends.first), std::move(ends.second), [](Flow&) {}, framed());
    visitors.push_back(std::move(ends.one.here));
    const int small = 64 * 1024;
    ::setsockopt(ends.two.here.descriptor(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    return std::move(ends.two.here);
}

// As many as the system lets this process have.
std::size_t allowed_descriptors()
{
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur;
}

std::vector<Joined> a_thousand_pairs(Relay& relay)
{
    std::vector<Joined> pairs;
    const std::size_t number = std::min<std::size_t>(1000, allowed_descriptors() / 5);
    for (std::size_t i = 0; i < number; ++i)
        pairs.push_back(join(relay));
    return pairs;
}

// As much of `text`, again and again, as the other end takes without anybody reading there.
void fill_with(Stream& stream, const std::string& text)
{
    while (::send(stream.descriptor(), text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL) ==
           static_cast<ssize_t>(text.size())) {
    }
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

TEST_CASE("a round of many connections full of frames without a byte of their streams is short")
{
    Relay relay({.lent_thread = true});
    std::string frame;
    SUBCASE("empty ones")
    {
        frame = data_frame("");
    }
    SUBCASE("of an unknown kind")
    {
        frame = stream_frame(StreamFrame{200}, "?");
    }
    SUBCASE("that say again that the stream has begun")
    {
        frame = start_frame;
    }
    std::string frames;
    while (frames.size() < (1 << 20))
        frames += frame;
    std::vector<Stream> visitors;
    std::vector<Stream> peers;
    for (int i = 0; i < 250; ++i)
        peers.push_back(framed_peer(relay, visitors));
    drive(relay);
    for (Stream& peer : peers)
        fill_with(peer, frames);
    CHECK(longest_round(relay) < 40ms);
    CHECK(relay.live() == 250);
}

TEST_CASE("a round in which a thousand pairs have something to do is short, and each has its turn")
{
    const std::size_t before = open_descriptors();
    {
        Relay relay({.lent_thread = true});
        std::vector<Joined> pairs = a_thousand_pairs(relay);
        drive(relay);
        const std::string text = random_text(40'000, 1);
        for (Joined& pair : pairs)
            pair.left.send(text);
        CHECK(longest_round(relay) < 40ms);
        for (Joined& pair : pairs)
            CHECK((pair.right.receive(text.size()) == text));
    }
    CHECK(open_descriptors() == before);
}

TEST_CASE("a round in which a thousand pairs come to the limit of their time is short")
{
    const std::size_t before = open_descriptors();
    {
        Relay relay({.lent_thread = true, .idle_timeout = 2s});
        std::vector<Joined> pairs = a_thousand_pairs(relay);
        std::chrono::nanoseconds longest{};
        while (relay.live() > 0) {
            REQUIRE(has_news(relay, 5s));
            longest = std::max(longest, longest_round(relay));
        }
        CHECK(longest < 40ms);
        for (Joined& pair : pairs)
            CHECK(end_of(pair).end == End::idle_timeout);
    }
    CHECK(open_descriptors() == before);
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
