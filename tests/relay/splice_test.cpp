// What is special about large pieces, which the relay moves through pipes.
#include <doctest/doctest.h>

#include <array>

#include <fcntl.h>
#include <unistd.h>

#include "common/relay/pair.hpp"
#include "common/transport/socket.hpp"
#include "tests/support/joined.hpp"
#include "tests/support/no_more_descriptors.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

constexpr std::size_t large = 4 << 20;

// Passes a large piece, so that the direction splices from then on.
void make_it_splice(Joined& joined)
{
    const std::string text = random_text(large, 1);
    auto sending = std::async(std::launch::async, [&] { joined.left.send(text); });
    CHECK((joined.right.receive(large) == text));
    sending.get();
}

} // namespace

TEST_CASE("the pool lends no more pipes than it may, and takes them back")
{
    PipePool pool(2);
    PipePool::Lease one = pool.take();
    REQUIRE(one);
    CHECK(::fcntl(one->in.get(), F_GETPIPE_SZ) >= 256 * 1024);
    PipePool::Lease two = pool.take();
    CHECK(two);
    CHECK_FALSE(pool.take());
    const Pipe* const first = one.get();
    one.reset();
    CHECK(pool.lent() == 1);
    CHECK(pool.take().get() == first);
}

TEST_CASE("a pipe that comes back with bytes of a broken pair is never lent again")
{
    PipePool pool(1);
    PipePool::Lease lease = pool.take();
    REQUIRE(lease);
    REQUIRE(::write(lease->in.get(), "secret", 6) == 6);
    lease->held = 6;
    lease.reset();
    lease = pool.take();
    REQUIRE(lease);
    std::array<char, 6> buffer{};
    CHECK(::read(lease->out.get(), buffer.data(), buffer.size()) == -1);
    CHECK(errno == EAGAIN);
}

TEST_CASE("without descriptors the pool grants nothing, and asks again after a while")
{
    PipePool pool(1);
    {
        const NoMoreDescriptors none;
        CHECK_FALSE(pool.take());
    }
    int refusals = 0;
    while (!pool.take())
        ++refusals;
    CHECK(refusals > 0);
    CHECK(refusals < 10'000);
}

TEST_CASE("large pieces pass unchanged where no pipe can be had")
{
    RelayOptions options = plain_relay();
    SUBCASE("because the pool has none")
    {
        options.pipes = 0;
    }
    SUBCASE("because one pair holds the only one")
    {
        options.pipes = 1;
    }
    Relay relay(options);
    Joined holder = join(relay);
    make_it_splice(holder);
    fill(holder.left); // blocked, with bytes in the pipe
    Joined joined = join(relay);
    make_it_splice(joined);
    joined.left.finish();
    CHECK(joined.right.receive_all().empty());
}

TEST_CASE("descriptors that run out half-way stop nothing that is under way" *
          doctest::skip(sanitizer_needs_descriptors))
{
    Relay relay(plain_relay());
    Joined joined = join(relay);
    const NoMoreDescriptors none;
    make_it_splice(joined);
    make_it_splice(joined);
}

TEST_CASE("single bytes on a spliced connection pass at once and in order")
{
    Relay relay(plain_relay());
    Joined joined = join(relay);
    make_it_splice(joined);
    std::string sent;
    for (int i = 0; i < 1000; ++i) { // a pipe has 256 places
        const std::string byte(1, static_cast<char>(i));
        joined.left.send(byte);
        sent += byte;
    }
    CHECK((joined.right.receive(1000) == sent));
}

TEST_CASE("the last piece of a large answer is not held back for more")
{
    Relay relay(plain_relay());
    Joined joined = join(relay);
    make_it_splice(joined);
    const auto began = Clock::now();
    for (int i = 0; i < 20; ++i) {
        const std::string question = random_text(300'000 + 7777 * static_cast<std::size_t>(i), 2);
        auto sending = std::async(std::launch::async, [&] { joined.left.send(question); });
        CHECK((joined.right.receive(question.size()) == question));
        sending.get();
        joined.right.send("!");
        CHECK(joined.left.receive(1) == "!");
    }
    // A corked last piece waits for 200 ms.
    CHECK(Clock::now() - began < 2s);
}

TEST_CASE("an end of the stream waits for the bytes that are still in the pipe")
{
    Relay relay(plain_relay());
    Joined joined = join(relay);
    make_it_splice(joined);
    const std::size_t taken = fill(joined.left);
    joined.left.finish(); // EPOLLRDHUP comes while the receiver is blocked
    CHECK_FALSE(joined.left.readable_within(50ms));
    CHECK(joined.right.receive_all().size() == taken);
    joined.right.finish();
    CHECK(joined.left.receive_all().empty());
    CHECK(end_of(joined).first_to_second == large + taken);
}

TEST_CASE("a receiver that resets while its bytes are in the pipe ends the pair, not the process")
{
    Relay relay(plain_relay());
    Joined joined = join(relay);
    make_it_splice(joined);
    fill(joined.left);
    joined.right.reset();
    CHECK(joined.left.ending() == Ending::reset);
    CHECK(end_of(joined).end == End::second_failed);
    Joined next = join(relay); // and gets a pipe that is empty
    make_it_splice(next);
}

TEST_CASE("small pieces after large ones are copied again, and pipes go back")
{
    PipePool pool(1);
    Connected from = connected();
    Connected to = connected();
    ::fcntl(from.there.descriptor(), F_SETFL, O_NONBLOCK);
    ::fcntl(to.here.descriptor(), F_SETFL, O_NONBLOCK);
    Channel source(from.there.release());
    Channel target(to.here.release());
    std::vector<std::byte> buffer(65536);
    Direction direction;
    const auto pump = [&] {
        direction.can_read();
        return direction.pump(source, target, {buffer, pool, {}}, 1 << 20);
    };
    from.here.send(random_text(200'000, 1));
    CHECK(eventually([&] {
        pump();
        return direction.bytes() == 200'000;
    }));
    CHECK(pump() == Progress::waiting);
    CHECK(pool.lent() == 0); // quiet
    for (std::uint64_t i = 1; i <= 10; ++i) {
        from.here.send("x");
        CHECK(eventually([&] {
            pump();
            return direction.bytes() == 200'000 + i;
        }));
    }
    CHECK(pool.lent() == 0);
    CHECK((to.there.receive(200'010).substr(200'000) == "xxxxxxxxxx"));
}
