// The relay against a plain copying one: whatever two ends do, they see the same.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <optional>
#include <random>
#include <thread>

#include <poll.h>
#include <sys/socket.h>

#include "common/transport/socket.hpp"
#include "tests/support/joined.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

// As simple as a relay can be: a thread for each direction that reads and writes.
class PlainRelay {
public:
    PlainRelay(Fd first, Fd second)
        : first_(std::move(first)),
          second_(std::move(second)),
          forth_([this] { run(first_.get(), second_.get()); }),
          back_([this] { run(second_.get(), first_.get()); })
    {
    }

    ~PlainRelay()
    {
        forth_.join();
        back_.join();
    }

private:
    // The direction that ends last closes both.
    void run(int from, int to)
    {
        copy(from, to);
        if (--running_ > 0)
            return;
        if (!broken_) {
            allow_clean_close(first_.get());
            allow_clean_close(second_.get());
        }
        first_.close();
        second_.close();
    }

    void copy(int from, int to)
    {
        std::array<char, 5000> buffer;
        for (;;) {
            const ssize_t size = ::recv(from, buffer.data(), buffer.size(), 0);
            if (broken_)
                return;
            if (size == 0) {
                ::shutdown(to, SHUT_WR);
                return;
            }
            for (ssize_t at = 0; at < size && size > 0;) {
                const ssize_t sent = ::send(to, buffer.data() + at,
                                            static_cast<std::size_t>(size - at), MSG_NOSIGNAL);
                if (sent < 0)
                    return give_up();
                at += sent;
            }
            if (size < 0)
                return give_up();
        }
    }

    void give_up()
    {
        broken_ = true; // both are reset when they are closed
        ::shutdown(first_.get(), SHUT_RD);
        ::shutdown(second_.get(), SHUT_RD);
    }

    Fd first_;
    Fd second_;
    std::atomic<bool> broken_ = false;
    std::atomic<int> running_ = 2;
    std::thread forth_;
    std::thread back_;
};

// What one end does, drawn by lot, and what it sees.
struct Script {
    std::string text;
    std::vector<std::size_t> pieces;
    bool slow_reader = false;

    explicit Script(std::mt19937& random)
    {
        const std::size_t most =
            std::array<std::size_t, 4>{1, 2000, 100'000, 1'000'000}[random() % 4];
        text = random_text(random() % (most + 1), static_cast<std::uint32_t>(random()));
        const std::size_t largest = random() % 3 == 0 ? 200'000 : 3000;
        for (std::size_t left = text.size(); left > 0; left -= pieces.back())
            pieces.push_back(std::min<std::size_t>(left, 1 + random() % largest));
        slow_reader = random() % 8 == 0;
    }
};

std::string read_to_end(Stream& stream, bool slowly)
{
    if (slowly)
        stream.readable_within(20ms); // lets the buffers on the way fill up
    return stream.receive_all();
}

// Plays both scripts at once on a joined pair; answers what each end received.
std::pair<std::string, std::string> play(Stream& left, Stream& right, const Script& up,
                                         const Script& down)
{
    const auto send = [](Stream& stream, const Script& script) {
        std::size_t at = 0;
        for (const std::size_t size : script.pieces) {
            stream.send(std::string_view(script.text).substr(at, size));
            at += size;
        }
        stream.finish();
    };
    auto sending_up = std::async(std::launch::async, [&] { send(left, up); });
    auto sending_down = std::async(std::launch::async, [&] { send(right, down); });
    auto at_left =
        std::async(std::launch::async, [&] { return read_to_end(left, down.slow_reader); });
    const std::string at_right = read_to_end(right, up.slow_reader);
    sending_up.get();
    sending_down.get();
    return {at_left.get(), at_right};
}

// Sends some, then resets; answers how the other end saw it.
Ending cut(Stream& cutting, Stream& other, std::size_t size)
{
    cutting.send(std::string(size, 'x'));
    cutting.reset();
    return other.ending();
}

Joined join_plainly(std::optional<PlainRelay>& relay)
{
    Ends ends;
    prepare_stream(ends.first.get());
    prepare_stream(ends.second.get());
    relay.emplace(std::move(ends.first), std::move(ends.second));
    return ends.joined();
}

} // namespace

TEST_CASE("both ends see the same through this relay as through one that only copies")
{
    Relay relay({.workers = 2, .spin = 20us, .pipes = 1});
    std::mt19937 random(11);
    for (int round = 0; round < 150; ++round) {
        CAPTURE(round);
        const Script up(random);
        const Script down(random);
        Joined ours = join(relay);
        const auto seen = play(ours.left, ours.right, up, down);
        std::optional<PlainRelay> plain_relay;
        Joined plain = join_plainly(plain_relay);
        const auto expected = play(plain.left, plain.right, up, down);
        CHECK((seen == expected));
        CHECK((seen == std::pair(down.text, up.text)));
        const Flow flow = end_of(ours);
        CHECK(flow.end == End::finished);
        CHECK(flow.first_to_second == up.text.size());
        CHECK(flow.second_to_first == down.text.size());
    }
}

TEST_CASE("a cut stream looks cut through this relay as through one that only copies")
{
    Relay relay({.workers = 2, .pipes = 1});
    std::mt19937 random(12);
    for (int round = 0; round < 60; ++round) {
        CAPTURE(round);
        const std::size_t size = random() % 300'000;
        const bool from_left = random() % 2 == 0;
        Joined ours = join(relay);
        std::optional<PlainRelay> plain_relay;
        Joined plain = join_plainly(plain_relay);
        if (from_left) {
            CHECK(cut(ours.left, ours.right, size) == Ending::reset);
            CHECK(cut(plain.left, plain.right, size) == Ending::reset);
        } else {
            CHECK(cut(ours.right, ours.left, size) == Ending::reset);
            CHECK(cut(plain.right, plain.left, size) == Ending::reset);
        }
    }
}

TEST_CASE("ten thousand pairs with random contents and ends each get their own bytes")
{
    const std::size_t before = open_descriptors();
    {
        Relay relay({.workers = 2, .spin = 50us});
        std::mt19937 random(13);
        for (int round = 0; round < 100; ++round) {
            std::vector<Joined> pairs;
            std::vector<std::string> texts;
            for (int i = 0; i < 100; ++i) {
                pairs.push_back(join(relay));
                texts.push_back(
                    random_text(random() % 20'000, static_cast<std::uint32_t>(random())));
                pairs.back().left.send(texts.back());
            }
            for (std::size_t i = 0; i < pairs.size(); ++i) {
                Joined& pair = pairs[i];
                switch (random() % 4) {
                case 0:
                    pair.left.reset();
                    CHECK(pair.right.ending() == Ending::reset);
                    break;
                case 1:
                    CHECK((pair.right.receive(texts[i].size()) == texts[i]));
                    pair.right.reset();
                    CHECK(pair.left.ending() == Ending::reset);
                    break;
                default:
                    pair.left.finish();
                    CHECK((pair.right.receive_all() == texts[i]));
                    pair.right.send(texts[(i + 1) % texts.size()]);
                    pair.right.finish();
                    CHECK((pair.left.receive_all() == texts[(i + 1) % texts.size()]));
                }
            }
            for (Joined& pair : pairs)
                end_of(pair);
        }
        CHECK(relay.live() == 0);
    }
    CHECK(open_descriptors() == before);
}
