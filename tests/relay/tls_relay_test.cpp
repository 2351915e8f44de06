// Two relays that are joined by an encrypted connection, as those of the two proxies are.
#include <doctest/doctest.h>

#include <future>
#include <random>

#include <sys/socket.h>

#include "common/relay/pair.hpp"
#include "tests/support/joined.hpp"
#include "tests/support/secured.hpp"
#include "tests/support/stream_frames.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

// left <-> (first, TLS) <-> (TLS, second) <-> right
struct Chain {
    Stream left;
    Stream right;
    std::future<Flow> here;
    std::future<Flow> there;
};

std::future<Flow> hand_over(Relay& relay, Channel first, Channel second)
{
    const auto promise = std::make_shared<std::promise<Flow>>();
    relay.hand_over(
        std::move(first), std::move(second),
        [promise](Flow& flow) { promise->set_value(std::move(flow)); }, framed());
    return promise->get_future();
}

Chain chain(Relay& relay, Channel here, Channel there)
{
    Ends ends;
    prepare_for_relay(ends.first.get());
    prepare_for_relay(ends.second.get());
    auto one = hand_over(relay, std::move(ends.first), std::move(here));
    auto other = hand_over(relay, std::move(ends.second), std::move(there));
    Joined joined = ends.joined();
    return {std::move(joined.left), std::move(joined.right), std::move(one), std::move(other)};
}

Flow end_of(std::future<Flow>& flow)
{
    REQUIRE(flow.wait_for(10s) == std::future_status::ready);
    return flow.get();
}

// Sends both texts at once, in pieces of random sizes, and what each end received.
std::pair<std::string, std::string> exchange(Chain& pair, const std::string& up,
                                             const std::string& down, std::uint32_t seed)
{
    const auto send = [](Stream& stream, const std::string& text, std::uint32_t with) {
        send_in_pieces(stream, text, with);
        stream.finish();
    };
    auto sending_up = std::async(std::launch::async, [&] { send(pair.left, up, seed); });
    auto sending_down = std::async(std::launch::async, [&] { send(pair.right, down, seed + 1); });
    auto at_left = std::async(std::launch::async, [&] { return pair.left.receive_all(); });
    std::string at_right = pair.right.receive_all();
    sending_up.get();
    sending_down.get();
    return {at_left.get(), std::move(at_right)};
}

} // namespace

TEST_CASE("streams of all sizes pass over one encrypted connection, one after the other")
{
    Relay relay({.workers = 2, .spin = 20us});
    std::mt19937 random(41);
    for (int connection = 0; connection < 8; ++connection) {
        Secured pair =
            secured(connection % 2 == 0 ? std::optional(8192 << connection % 3) : std::nullopt);
        Channel here = std::move(pair.dialled);
        Channel there = std::move(pair.accepted);
        for (std::uint32_t round = 0; round < 15; ++round) {
            CAPTURE(connection);
            CAPTURE(round);
            const std::size_t most =
                std::array<std::size_t, 4>{1, 3000, 100'000, 1'000'000}[random() % 4];
            const std::string up =
                random_text(random() % (most + 1), static_cast<std::uint32_t>(random()));
            const std::string down =
                random_text(random() % (most + 1), static_cast<std::uint32_t>(random()));
            Chain joined = chain(relay, std::move(here), std::move(there));
            const auto seen = exchange(joined, up, down, round);
            CHECK((seen == std::pair(down, up)));
            Flow one = end_of(joined.here);
            Flow other = end_of(joined.there);
            CHECK(one.end == End::finished);
            CHECK(one.first_to_second == up.size());
            CHECK(one.second_to_first == down.size());
            CHECK(other.end == End::finished);
            REQUIRE(one.second.is_open()); // whatever the size: never raw, never spliced
            REQUIRE(other.second.is_open());
            here = std::move(one.second);
            there = std::move(other.second);
        }
    }
}

TEST_CASE("a stream that is cut on either side is cut on the other over an encrypted connection")
{
    Relay relay({.workers = 2});
    std::mt19937 random(42);
    for (int round = 0; round < 60; ++round) {
        CAPTURE(round);
        Secured pair = secured();
        Chain joined = chain(relay, std::move(pair.dialled), std::move(pair.accepted));
        Stream& cutting = round % 2 == 0 ? joined.left : joined.right;
        Stream& other = round % 2 == 0 ? joined.right : joined.left;
        cutting.send(std::string(random() % 300'000, 'x'));
        if (round % 3 == 0)
            other.finish();
        cutting.reset();
        CHECK(other.ending() == Ending::reset);
        const Flow one = end_of(joined.here);
        const Flow two = end_of(joined.there);
        CHECK_FALSE(one.second.is_open());
        CHECK_FALSE(two.second.is_open());
    }
}

TEST_CASE("a peer that ends its connection, in TLS's way or TCP's, cuts the stream that it carried")
{
    Relay relay(plain_relay());
    for (const bool properly : {true, false}) {
        for (const bool within_record : {true, false}) {
            CAPTURE(properly);
            CAPTURE(within_record);
            Secured pair = secured();
            Ends ends;
            prepare_for_relay(ends.first.get());
            auto flow = hand_over(relay, std::move(ends.first), std::move(pair.dialled));
            Stream visitor = std::move(ends.one.here);
            const std::string frame = data_frame("hello");
            REQUIRE(pair.accepted.send(std::as_bytes(std::span(frame))) == 8);
            CHECK(visitor.receive(5) == "hello");
            const int socket = pair.accepted.descriptor();
            if (within_record)
                ::send(socket, "\x17\x03\x03\x40", 4, MSG_NOSIGNAL);
            if (properly && !within_record)
                pair.accepted.end();
            else
                ::shutdown(socket, SHUT_WR);
            CHECK(visitor.ending() == Ending::reset);
            CHECK(end_of(flow).end == End::second_failed);
        }
    }
}

TEST_CASE("what a receiver does not read costs 64 KiB of memory at most, encrypted too")
{
    std::mt19937 random(43);
    for (int round = 0; round < 12; ++round) {
        CAPTURE(round);
        const bool decrypts = round % 2 == 0;
        CAPTURE(decrypts);
        Secured pair = secured();
        Connected plain = connected();
        prepare_for_relay(plain.there.descriptor());
        Channel& encrypted = pair.accepted;
        Channel clear(plain.there.release());
        // What is sent to it comes from here, and what comes from it is read there.
        Stream sender(decrypts ? Fd() : plain.here.release());
        std::size_t to_read = random() % 8'000'000;
        PipePool pool(0);
        std::vector<std::byte> buffer(encrypted_piece);
        std::vector<std::byte> some(200'000);
        Direction direction;
        const auto send = [&] {
            if (decrypts)
                return pair.dialled.send(some) > 0;
            return ::send(sender.descriptor(), some.data(), some.size(),
                          MSG_DONTWAIT | MSG_NOSIGNAL) > 0;
        };
        const auto read = [&](std::span<std::byte> room) {
            if (!decrypts)
                return pair.dialled.receive(room);
            return ::recv(plain.here.descriptor(), room.data(), room.size(), MSG_DONTWAIT);
        };
        for (auto last = Clock::now(); Clock::now() - last < 50ms;) {
            bool any = send();
            const std::uint64_t bytes = direction.bytes();
            direction.can_read();
            direction.can_write();
            direction.pump(decrypts ? encrypted : clear, decrypts ? clear : encrypted,
                           {buffer, pool, {}}, 1 << 20);
            any = any || direction.bytes() != bytes;
            while (to_read > 0) {
                const ssize_t size = read(std::span(some).first(std::min(to_read, some.size())));
                if (size <= 0)
                    break;
                to_read -= static_cast<std::size_t>(size);
            }
            if (any)
                last = Clock::now();
        }
        REQUIRE(direction.bytes() > 0);
        CHECK(direction.held() > 0); // it is blocked
        // OpenSSL holds another 17 KiB of it, encrypted.
        CHECK(direction.held() <= 47 * 1024);
    }
}

TEST_CASE("a raw frame on an encrypted connection is obeyed, and the connection used up")
{
    Relay relay(plain_relay());
    Secured pair = secured();
    Ends ends;
    prepare_for_relay(ends.first.get());
    auto flow = hand_over(relay, std::move(ends.first), std::move(pair.dialled));
    Stream visitor = std::move(ends.one.here);
    const std::string bytes = raw_frame + end_frame + "as it is";
    REQUIRE(pair.accepted.send(std::as_bytes(std::span(bytes))) ==
            static_cast<ssize_t>(bytes.size()));
    CHECK(visitor.receive(11) == end_frame + "as it is");
    pair.accepted.end();
    CHECK(visitor.receive_all().empty());
    visitor.finish();
    CHECK_FALSE(end_of(flow).second.is_open());
}
