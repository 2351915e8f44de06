// Limits of bandwidth on pairs of real sockets. What is measured are upper bounds, which hold on a
// busy machine too.
#include <doctest/doctest.h>

#include <atomic>
#include <future>
#include <thread>

#include <fcntl.h>
#include <poll.h>

#include "common/relay/pair.hpp"
#include "tests/support/joined.hpp"
#include "tests/support/stream_frames.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

std::shared_ptr<Bandwidth> limit(std::uint64_t rate)
{
    return std::make_shared<Bandwidth>(rate, Bandwidth::Use::shared);
}

Joined join(Relay& relay, PairLimits limits)
{
    Ends ends;
    prepare_for_relay(ends.first.get());
    prepare_for_relay(ends.second.get());
    const auto promise = std::make_shared<std::promise<Flow>>();
    relay.hand_over(std::move(ends.first), std::move(ends.second),
                    [promise](Flow& flow) { promise->set_value(std::move(flow)); },
                    {0, std::move(limits)});
    return ends.joined(promise->get_future());
}

// Nothing crosses for so long.
void use_up(Bandwidth& limit, Clock::duration time)
{
    const auto now = Clock::now();
    while (limit.take_turn(now, 1 << 20).begins < now + time)
        continue;
}

// The most that may have crossed since then.
std::size_t most(std::uint64_t rate, Clock::time_point since)
{
    const std::chrono::duration<double> time = Clock::now() - since + Bandwidth::memory;
    return static_cast<std::size_t>(static_cast<double>(rate) * 1.02 * time.count()) + 1024;
}

} // namespace

TEST_CASE("bytes arrive unchanged and no faster than the limit, each way under its own")
{
    constexpr std::uint64_t up_rate = 4'000'000;
    constexpr std::uint64_t down_rate = 40'000'000; // in pieces that are spliced
    RelayOptions options = plain_relay();
    options.workers = 2;
    Relay relay(options);
    const auto began = Clock::now();
    Joined joined = join(relay, {{limit(up_rate)}, {limit(down_rate), limit(100'000'000)}});
    check_exchange(joined, random_text(1 << 20, 1), random_text(12 << 20, 2),
                   [began](std::size_t up, std::size_t down) {
                       CHECK(up <= most(up_rate, began));
                       CHECK(down <= most(down_rate, began));
                   });
}

TEST_CASE("pairs of several threads keep a limit together, and each gets its part of it")
{
    constexpr std::uint64_t rate = 4'000'000;
    RelayOptions options = plain_relay();
    options.workers = 3;
    Relay relay(options);
    const auto shared = limit(rate);
    std::vector<Joined> all;
    for (int i = 0; i < 6; ++i)
        all.push_back(join(relay, {{shared}, {}}));
    std::atomic<std::size_t> total = 0;
    std::vector<std::atomic<std::size_t>> received(all.size());
    std::vector<std::thread> threads;
    const auto began = Clock::now();
    for (std::size_t i = 0; i < all.size(); ++i) {
        threads.emplace_back([&, i] {
            const std::string block(1 << 20, 'x');
            try {
                for (;;)
                    all[i].left.send(block);
            } catch (const std::system_error&) { // the other thread has reset it
            }
        });
        threads.emplace_back([&, i] {
            while (total < 2'000'000) {
                received[i] += all[i].right.receive(500).size();
                total += 500;
            }
            all[i].right.reset();
        });
    }
    for (std::thread& each : threads)
        each.join();
    CHECK(total <= most(rate, began));
    for (const auto& each : received) {
        CHECK(each >= 2'000'000 / 6 / 2);
        CHECK(each <= 2'000'000 / 6 * 2);
    }
}

TEST_CASE("a pair that waits for its turn is not idle, and its end is passed on when it comes")
{
    RelayOptions options = plain_relay();
    options.idle_timeout = 150ms;
    options.half_close_timeout = 150ms;
    Relay relay(options);
    const auto slow = limit(10'000);
    const auto began = Clock::now();
    use_up(*slow, 550ms);
    Joined joined = join(relay, {{slow}, {}});
    joined.left.send("late, but whole");
    joined.left.finish();
    CHECK(joined.right.receive_all() == "late, but whole");
    CHECK(Clock::now() - began >= 500ms);
    joined.right.finish();
    CHECK(end_of(joined).end == End::finished);
}

TEST_CASE("a pair without a limit is not held up by one that has used its own up")
{
    Relay relay(plain_relay());
    const auto slow = limit(10'000);
    use_up(*slow, 60s);
    Joined limited = join(relay, {{slow}, {}});
    Joined free = join(relay, PairLimits{});
    limited.left.send("later");
    auto sending = std::async(std::launch::async, [&] {
        free.left.send(std::string(20 << 20, 'x'));
        free.left.finish();
    });
    CHECK(free.right.receive_all().size() == 20 << 20);
    CHECK_FALSE(limited.right.readable_within(0ms));
}

TEST_CASE("a stream is taken on, and goes on, however long the queue of the other way is")
{
    RelayOptions options = plain_relay();
    options.start_timeout = 2s;
    Relay relay(options);
    const auto slow = limit(10'000);
    use_up(*slow, 60s);
    Ends ends;
    prepare_for_relay(ends.first.get());
    prepare_for_relay(ends.second.get());
    PairOptions options_of_pair = framed({.awaits_start = true});
    options_of_pair.limits.second_to_first = {slow};
    relay.hand_over(
        std::move(ends.first), std::move(ends.second), [](const Flow&) {},
        std::move(options_of_pair));
    Joined joined = ends.joined();
    joined.left.send("one");
    CHECK(joined.right.receive(6) == data_frame("one")); // only looked at until it is taken on
    joined.right.send(start_frame + data_frame("answer"));
    joined.left.send("two");
    CHECK(joined.right.receive(6) == data_frame("two"));
    CHECK_FALSE(joined.left.readable_within(100ms)); // this has to wait
}

TEST_CASE("a reset does not wait for the turn of the bytes before it")
{
    Relay relay(plain_relay());
    const auto slow = limit(10'000);
    use_up(*slow, 60s);
    Joined joined = join(relay, {{slow}, {}});
    joined.left.send("never to arrive");
    joined.left.reset();
    CHECK(joined.right.ending() == Ending::reset);
    CHECK(end_of(joined).end == End::first_failed);
}

TEST_CASE("a lent thread sleeps until the turn of a pair, and not for ever")
{
    RelayOptions options = plain_relay();
    options.lent_thread = true;
    Relay relay(options);
    Joined joined = join(relay, {{limit(1'000'000)}, {}});
    joined.left.send(std::string(200'000, 'x'));
    joined.left.finish();
    auto received = std::async(std::launch::async, [&] { return joined.right.receive_all(); });
    int sleeps = 0;
    const auto began = Clock::now();
    while (received.wait_for(0s) != std::future_status::ready && Clock::now() - began < 10s) {
        if (relay.poll() || !relay.may_sleep())
            continue;
        pollfd ready{relay.descriptor(), POLLIN, 0};
        CHECK(::poll(&ready, 1, 100) >= 0);
        ++sleeps;
    }
    CHECK(received.get().size() == 200'000);
    CHECK(sleeps > 10); // rather than spinning
    CHECK(Clock::now() - began < 5s);
    joined.right.reset();
    while (relay.live() > 0)
        relay.poll();
}

TEST_CASE("a direction that waits for its turn lends its pipe to others")
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
    direction.limit({limit(1'000'000'000)});
    from.here.send(random_text(4 << 20, 1).substr(0, 1 << 18));
    Progress progress = Progress::more;
    bool spliced = false;
    Clock::time_point now{1000h}; // stands still, so that what may cross is used up
    CHECK(eventually([&] {
        direction.can_read();
        progress = direction.pump(source, target, {buffer, pool, now}, 1);
        spliced = spliced || pool.lent() == 1;
        return direction.bytes() == 1 << 18;
    }));
    CHECK(spliced);
    direction.limit({limit(1024)});
    from.here.send("more");
    CHECK(eventually([&] {
        direction.can_read();
        progress = direction.pump(source, target, {buffer, pool, now}, 1 << 20);
        from.here.send(std::string(200, 'x'));
        return progress == Progress::throttled;
    }));
    CHECK(pool.lent() == 0);
}
