// Pairs whose first channel is encrypted, as that of a visitor is who comes over TLS.
#include <doctest/doctest.h>

#include <cerrno>
#include <future>
#include <stdexcept>

#include <sys/socket.h>

#include "tests/support/joined.hpp"
#include "tests/support/secured.hpp"
#include "tests/support/stream_frames.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

// The far end of a channel, encrypted or not, with waiting and limits of time.
class Peer {
public:
    explicit Peer(Channel channel) : channel_(std::move(channel)) {}

    void send(std::string_view text)
    {
        REQUIRE(eventually([&] {
            const ssize_t size = channel_.send(std::as_bytes(std::span(text)));
            if (size > 0)
                text.remove_prefix(static_cast<std::size_t>(size));
            return text.empty();
        }));
    }

    void finish()
    {
        REQUIRE(eventually([&] { return channel_.end() == 0; }));
    }

    void reset() { tunnel::reset(channel_); }

    // Up to `size` bytes, or to the end; throws on a reset, and when it takes too long.
    std::string receive(std::size_t size = std::string::npos)
    {
        std::string all;
        const auto is_over = [&] {
            std::array<std::byte, 64 * 1024> room;
            ssize_t came = 1;
            while (all.size() < size && came > 0) {
                const auto part = std::span(room).first(std::min(room.size(), size - all.size()));
                came = channel_.receive(part);
                if (came > 0)
                    all.append(reinterpret_cast<const char*>(room.data()),
                               static_cast<std::size_t>(came));
            }
            if (came < 0 && errno != EAGAIN)
                throw std::system_error(errno, std::system_category());
            return came == 0 || all.size() == size;
        };
        if (!eventually(is_over))
            throw std::runtime_error("nothing came in time");
        return all;
    }

    bool is_reset()
    {
        try {
            receive();
        } catch (const std::system_error& error) {
            return error.code() == std::errc::connection_reset;
        }
        return false;
    }

private:
    Channel channel_;
};

// peer <-> near
struct Linked {
    explicit Linked(bool encrypted)
    {
        if (encrypted) {
            Secured pair = secured();
            near = std::move(pair.accepted);
            far = std::move(pair.dialled);
            return;
        }
        Connected pair = connected();
        prepare_for_relay(pair.here.descriptor());
        prepare_for_relay(pair.there.descriptor());
        near = Channel(pair.there.release());
        far = Channel(pair.here.release());
    }

    Channel near;
    Channel far;
};

// visitor <-> (first, second) <-> origin
struct Path {
    Path(Relay& relay, bool first_encrypted, bool second_encrypted, PairOptions options = {})
        : Path(relay, Linked(first_encrypted), Linked(second_encrypted), std::move(options))
    {
    }

    Path(Relay& relay, Linked first, Linked second, PairOptions options)
        : visitor(std::move(first.far)), origin(std::move(second.far))
    {
        const auto promise = std::make_shared<std::promise<Flow>>();
        flow = promise->get_future();
        relay.hand_over(
            std::move(first.near), std::move(second.near),
            [promise](Flow& its) { promise->set_value(std::move(its)); }, std::move(options));
    }

    Flow end()
    {
        REQUIRE(flow.wait_for(10s) == std::future_status::ready);
        return flow.get();
    }

    Peer visitor;
    Peer origin;
    std::future<Flow> flow;
};

Beginning no_bad_words(std::string_view first)
{
    constexpr std::string_view bad = "BAD WORDS";
    if (first.starts_with(bad))
        return Beginning::forbidden;
    return bad.starts_with(first) ? Beginning::undecided : Beginning::allowed;
}

} // namespace

TEST_CASE("streams pass both ways and end one by one, whichever side is encrypted")
{
    Relay relay(plain_relay());
    for (const auto& [first, second] : {std::pair(true, false), {true, true}, {false, true}}) {
        for (const std::size_t size : {0U, 10U, 50'000U, 3'000'000U}) {
            CAPTURE(first);
            CAPTURE(second);
            CAPTURE(size);
            Path path(relay, first, second);
            const std::string up = random_text(size, 1);
            const std::string down = random_text(size, 2);
            auto sending = std::async(std::launch::async, [&] {
                path.visitor.send(up);
                path.visitor.finish();
            });
            CHECK((path.origin.receive() == up));
            sending.get();
            auto answering = std::async(std::launch::async, [&] {
                path.origin.send(down);
                path.origin.finish();
            });
            CHECK((path.visitor.receive() == down));
            answering.get();
            const Flow flow = path.end();
            CHECK(flow.end == End::finished);
            CHECK(flow.first_to_second == size);
            CHECK(flow.second_to_first == size);
        }
    }
}

TEST_CASE("a stream that is cut on one side is cut on the other, whichever is encrypted")
{
    Relay relay(plain_relay());
    for (const auto& [first, second] : {std::pair(true, false), {true, true}, {false, true}}) {
        for (const bool visitor_cuts : {true, false}) {
            CAPTURE(first);
            CAPTURE(second);
            CAPTURE(visitor_cuts);
            Path path(relay, first, second);
            path.visitor.send("question");
            CHECK(path.origin.receive(8) == "question");
            (visitor_cuts ? path.visitor : path.origin).reset();
            CHECK((visitor_cuts ? path.origin : path.visitor).is_reset());
            CHECK(path.end().end == (visitor_cuts ? End::first_failed : End::second_failed));
        }
    }
}

TEST_CASE("an encrypted first stream that TCP ends, and TLS does not, is cut")
{
    Relay relay(plain_relay());
    Linked first(true);
    const int descriptor = first.far.descriptor();
    Path path(relay, std::move(first), Linked(false), {});
    path.visitor.send("half");
    CHECK(path.origin.receive(4) == "half");
    ::shutdown(descriptor, SHUT_WR);
    CHECK(path.origin.is_reset());
    CHECK(path.end().end == End::first_failed);
}

TEST_CASE("what an encrypted visitor says goes ahead of the start, and no dead connection loses it")
{
    Relay relay(plain_relay());
    for (const bool second : {false, true}) {
        CAPTURE(second);
        Path dead(relay, true, second, framed({.awaits_start = true}));
        dead.visitor.send("request");
        CHECK(dead.origin.receive(10) == data_frame("request"));
        dead.origin.reset();
        Flow flow = dead.end();
        CHECK(flow.end == End::not_started);
        REQUIRE(flow.first.is_open());

        // So the next connection gets it as well, and what comes later.
        Linked other(second);
        Peer origin(std::move(other.far));
        std::promise<Flow> ended;
        relay.hand_over(
            std::move(flow.first), std::move(other.near),
            [&](Flow& its) { ended.set_value(std::move(its)); }, framed({.awaits_start = true}));
        CHECK(origin.receive(10) == data_frame("request"));
        origin.send(start_frame + data_frame("answer"));
        CHECK(dead.visitor.receive(6) == "answer");
        dead.visitor.send("more");
        CHECK(origin.receive(7) == data_frame("more"));
        dead.visitor.finish();
        CHECK(origin.receive(3) == end_frame);
        origin.send(end_frame);
        CHECK(dead.visitor.receive().empty());
        auto future = ended.get_future();
        REQUIRE(future.wait_for(10s) == std::future_status::ready);
        const Flow last = future.get();
        CHECK(last.end == End::finished);
        CHECK(last.first_to_second == 11);
        CHECK(last.second.is_open()); // good for another stream
    }
}

TEST_CASE("a guard sees how an encrypted stream begins, and lets nothing pass before")
{
    Relay relay(plain_relay());
    for (const bool awaits_start : {false, true}) {
        CAPTURE(awaits_start);
        const auto guarded = [&] {
            PairOptions options = framed({.awaits_start = awaits_start});
            options.guard = no_bad_words;
            return options;
        };
        Path bad(relay, true, true, guarded());
        for (const char byte : std::string_view("BAD WORD"))
            bad.visitor.send({&byte, 1});
        bad.visitor.send("S and more");
        CHECK(bad.visitor.is_reset());
        CHECK(bad.end().end == End::forbidden);

        Path good(relay, true, true, guarded());
        good.visitor.send("BA");
        good.visitor.send("NANAS");
        if (awaits_start)
            good.origin.send(start_frame);
        std::string frames;
        while (frames.size() < 7 + 3 || !frames.ends_with("NANAS"))
            frames += good.origin.receive(1);
        good.origin.reset();
        CHECK(good.visitor.is_reset());

        Path short_one(relay, true, true, guarded());
        short_one.visitor.send("BAD");
        short_one.visitor.finish(); // it can become nothing else any more
        if (awaits_start)
            short_one.origin.send(start_frame);
        CHECK(short_one.origin.receive(9) == data_frame("BAD") + end_frame);
    }
}

TEST_CASE("what was read ahead of an encrypted visitor is the beginning of its stream")
{
    Relay relay(plain_relay());
    for (const bool encrypted : {true, false}) {
        CAPTURE(encrypted);
        Linked first(encrypted);
        first.near.unread(std::as_bytes(std::span(std::string_view("read "))));
        Path path(relay, std::move(first), Linked(false), {});
        path.visitor.send("ahead");
        CHECK(path.origin.receive(10) == "read ahead");
        path.visitor.finish();
        path.origin.finish();
        CHECK(path.end().end == End::finished);
    }
}

TEST_CASE("a large upload is held up by a slow reader, encrypted at both ends")
{
    Relay relay(plain_relay());
    Path path(relay, true, true);
    const std::string text = random_text(40'000'000, 3);
    auto sending = std::async(std::launch::async, [&] {
        path.visitor.send(text);
        path.visitor.finish();
    });
    CHECK(sending.wait_for(200ms) == std::future_status::timeout);
    CHECK((path.origin.receive() == text));
    sending.get();
    path.origin.finish();
    CHECK(path.visitor.receive().empty());
    CHECK(path.end().end == End::finished);
}
