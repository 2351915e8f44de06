// The relay alone, between sockets of this process.
#include <doctest/doctest.h>

#include <future>
#include <random>

#include <fcntl.h>
#include <sys/socket.h>

#include "common/transport/socket.hpp"
#include "tests/support/joined.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

TEST_CASE("bytes arrive unchanged, both ways at once, in pieces of any size")
{
    Relay relay(plain_relay());
    Joined joined = join(relay);
    check_exchange(joined, random_text(24 << 20, 1), random_text(24 << 20, 2));
}

TEST_CASE("the end of one direction is passed on and the other lives")
{
    Relay relay(plain_relay());
    Joined joined = join(relay);
    joined.left.send("question");
    joined.left.finish();
    CHECK(joined.right.receive_all() == "question");
    joined.right.send("answer");
    CHECK(joined.left.receive(6) == "answer");
    joined.right.send(", and more");
    joined.right.finish();
    CHECK(joined.left.receive_all() == ", and more");
    CHECK(end_of(joined).end == End::finished);
}

TEST_CASE("an urgent byte is a byte of the stream, and holds up none that follow")
{
    Relay relay(plain_relay());
    Joined joined = join(relay);
    for (int i = 0; i < 20; ++i) {
        joined.left.send("ab");
        CHECK(::send(joined.left.descriptor(), "X", 1, MSG_OOB | MSG_NOSIGNAL) == 1);
        joined.left.send("def");
        CHECK(joined.right.receive(6) == "abXdef");
    }
}

TEST_CASE("bytes that were there before the pair was handed over are passed on")
{
    Relay relay(plain_relay());
    Connected one = connected();
    Connected two = connected();
    one.here.send("early");
    one.here.finish();
    relay.hand_over(one.there.release(), two.there.release(), [](const Flow&) {});
    CHECK(two.here.receive_all() == "early");
}

TEST_CASE("a pair that lives for a while has keep-alive on the socket that lacked it")
{
    Relay relay(plain_relay());
    Ends ends;
    const Fd first(::dup(ends.first.get()));
    for (const int descriptor : {ends.first.get(), ends.second.get()}) {
        send_without_delay(descriptor);
        reset_on_close(descriptor);
        ::fcntl(descriptor, F_SETFL, ::fcntl(descriptor, F_GETFL) | O_NONBLOCK);
    }
    const auto is_kept_alive = [&first] {
        int value = 0;
        socklen_t size = sizeof value;
        ::getsockopt(first.get(), SOL_SOCKET, SO_KEEPALIVE, &value, &size);
        return value == 1;
    };
    PairOptions options;
    options.lacks_keep_alive = true;
    const auto began = std::chrono::steady_clock::now();
    relay.hand_over(
        std::move(ends.first), std::move(ends.second), [](const Flow&) {}, std::move(options));
    Stream left = std::move(ends.one.here);
    Stream right = std::move(ends.two.here);
    left.send("to");
    CHECK(right.receive(2) == "to");
    CHECK_FALSE(is_kept_alive());
    CHECK(eventually(is_kept_alive));
    CHECK(std::chrono::steady_clock::now() - began >= 250ms);
    right.send("fro");
    CHECK(left.receive(3) == "fro");
}

TEST_CASE("a reset of either side reaches the other as a reset")
{
    Relay relay(plain_relay());
    SUBCASE("of the first")
    {
        Joined joined = join(relay);
        joined.left.send("half a sen");
        CHECK(joined.right.receive(10) == "half a sen");
        joined.left.reset();
        CHECK(joined.right.ending() == Ending::reset);
        CHECK(end_of(joined).end == End::first_failed);
    }
    SUBCASE("of the second")
    {
        Joined joined = join(relay);
        joined.right.reset();
        CHECK(joined.left.ending() == Ending::reset);
        CHECK(end_of(joined).end == End::second_failed);
    }
    SUBCASE("of one that has finished sending")
    {
        Joined joined = join(relay);
        joined.left.finish();
        CHECK(joined.right.receive_all().empty());
        joined.left.reset();
        // Reading answers the end of the stream for ever, tcp(7); only writing shows the reset.
        CHECK(eventually([&] {
            try {
                joined.right.send("nobody hears this");
                return false;
            } catch (const std::system_error&) {
                return true;
            }
        }));
        CHECK(end_of(joined).end == End::first_failed);
    }
    SUBCASE("of a sender whose receiver does not read")
    {
        Joined joined = join(relay);
        fill(joined.left);
        joined.left.reset();
        CHECK(end_of(joined).end == End::first_failed);
        CHECK(joined.right.ending() == Ending::reset);
    }
    SUBCASE("of a receiver that does not read")
    {
        Joined joined = join(relay);
        fill(joined.left);
        joined.right.reset();
        CHECK(end_of(joined).end == End::second_failed);
        CHECK(joined.left.ending() == Ending::reset);
    }
}

TEST_CASE("a side that does not read stalls its own sender and nobody else")
{
    Relay relay(plain_relay());
    Joined stuck = join(relay);
    const std::size_t taken = fill(stuck.left);
    CHECK(taken < 64u << 20); // the sockets' buffers, and no more
    SUBCASE("the other direction of the same pair goes on")
    {
        stuck.right.send("still heard");
        CHECK(stuck.left.receive(11) == "still heard");
    }
    SUBCASE("other pairs go on")
    {
        Joined other = join(relay);
        other.left.send("hello");
        CHECK(other.right.receive(5) == "hello");
    }
    SUBCASE("all of it arrives when it reads at last")
    {
        stuck.left.finish();
        CHECK(stuck.right.receive_all().size() == taken);
    }
}

TEST_CASE("a half-closed pair that stays silent is reset, and any byte restarts its time")
{
    Relay relay({.half_close_timeout = 300ms});
    Joined joined = join(relay);
    const auto began = Clock::now();
    joined.left.finish();
    CHECK(joined.right.receive_all().empty());
    for (int i = 0; i < 5; ++i) {
        CHECK_FALSE(joined.left.readable_within(150ms));
        joined.right.send("x");
        CHECK(joined.left.receive(1) == "x");
    }
    CHECK(joined.left.ending() == Ending::reset);
    CHECK(Clock::now() - began >= 5 * 150ms + 300ms);
    CHECK(end_of(joined).end == End::half_close_timeout);
}

TEST_CASE("a pair that was silent for long may still half-close and be answered late")
{
    Relay relay({.half_close_timeout = 300ms});
    Joined joined = join(relay);
    CHECK_FALSE(joined.left.readable_within(400ms)); // open and idle: longer than the limit
    joined.left.finish();
    CHECK(joined.right.receive_all().empty());
    CHECK_FALSE(joined.left.readable_within(150ms));
    joined.right.send("late");
    joined.right.finish();
    CHECK(joined.left.receive_all() == "late");
    CHECK(end_of(joined).end == End::finished);
}

TEST_CASE("an open pair is reset after the idle timeout, and any byte restarts its time")
{
    Relay relay({.idle_timeout = 300ms});
    Joined joined = join(relay);
    const auto began = Clock::now();
    CHECK_FALSE(joined.right.readable_within(200ms));
    joined.left.send("x");
    CHECK(joined.right.receive(1) == "x");
    CHECK(joined.right.ending() == Ending::reset);
    CHECK(Clock::now() - began >= 500ms);
    CHECK(end_of(joined).end == End::idle_timeout);
}

TEST_CASE("stopping resets what is left and reports every pair")
{
    Relay relay(plain_relay());
    Joined joined = join(relay);
    joined.left.send("cut");
    CHECK(joined.right.receive(3) == "cut");
    relay.stop();
    CHECK(end_of(joined).end == End::stopped);
    CHECK(joined.left.ending() == Ending::reset);
    CHECK(joined.right.ending() == Ending::reset);
    CHECK(relay.live() == 0);

    Joined too_late = join(relay);
    CHECK(end_of(too_late).end == End::stopped);
    CHECK(too_late.left.ending() == Ending::reset);
}

TEST_CASE("many pairs with sudden ends leave no descriptor and no pair behind")
{
    const std::size_t before = open_descriptors();
    {
        Relay relay({.workers = 2});
        const std::size_t with_relay = open_descriptors();
        std::mt19937 random(5);
        for (int round = 0; round < 10; ++round) {
            std::vector<Joined> pairs;
            for (int i = 0; i < 100; ++i)
                pairs.push_back(join(relay));
            for (Joined& pair : pairs) {
                const std::string text =
                    random_text(random() % 3000, static_cast<std::uint32_t>(random()));
                pair.left.send(text);
                switch (random() % 4) {
                case 0:
                    pair.left.reset();
                    break;
                case 1:
                    pair.right.reset();
                    break;
                case 2:
                    pair.left.finish();
                    CHECK((pair.right.receive_all() == text));
                    pair.right.finish();
                    break;
                default:
                    CHECK((pair.right.receive(text.size()) == text));
                    pair.right.finish();
                    pair.left.finish();
                }
            }
            for (Joined& pair : pairs)
                end_of(pair);
        }
        CHECK(relay.live() == 0);
        CHECK(open_descriptors() == with_relay);
    }
    CHECK(open_descriptors() == before);
}
