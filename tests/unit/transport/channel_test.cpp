// One connection in the hands of one owner after the other.
#include <doctest/doctest.h>

#include <cerrno>
#include <string>

#include "common/transport/async_channel.hpp"
#include "common/transport/channel.hpp"
#include "tests/support/joined.hpp"
#include "tests/support/secured.hpp"
#include "tests/unit/io.hpp"

using namespace tunnel;
using namespace tunnel::test;

namespace {

std::span<const std::byte> bytes_of(std::string_view text)
{
    return std::as_bytes(std::span(text));
}

// Two ends of a connection, encrypted or plain.
struct Ended {
    explicit Ended(bool encrypted)
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

    void send(std::string_view text)
    {
        REQUIRE(far.send(bytes_of(text)) == static_cast<ssize_t>(text.size()));
    }

    Channel near;
    Channel far;
};

// What `read` gives, once there is something.
template <class Read>
std::string once_there(std::size_t size, const Read& read)
{
    std::string text(size, '\0');
    ssize_t result = -1;
    REQUIRE(eventually([&] {
        result = read(std::as_writable_bytes(std::span(text)));
        return result >= 0 || errno != EAGAIN;
    }));
    text.resize(static_cast<std::size_t>(std::max<ssize_t>(result, 0)));
    return text;
}

std::string received(Channel& channel, std::size_t size)
{
    return once_there(size, [&](std::span<std::byte> room) { return channel.receive(room); });
}

std::string peeked(Channel& channel, std::size_t size)
{
    return once_there(size, [&](std::span<std::byte> room) { return channel.peek(room); });
}

} // namespace

TEST_CASE("what was peeked at can be received, encrypted or not")
{
    for (const bool encrypted : {false, true}) {
        CAPTURE(encrypted);
        Ended pair(encrypted);
        pair.send("hello, world");
        CHECK(peeked(pair.near, 12) == "hello, world");
        CHECK(peeked(pair.near, 5) == "hello");
        CHECK(received(pair.near, 5) == "hello");
        CHECK(received(pair.near, 2) == ", ");
        CHECK(peeked(pair.near, 100) == "world");
        CHECK(received(pair.near, 100) == "world");
        std::array<std::byte, 1> none{};
        CHECK(pair.near.peek(none) == -1);
        CHECK(errno == EAGAIN);
    }
}

TEST_CASE("what is put back comes before all others")
{
    for (const bool encrypted : {false, true}) {
        CAPTURE(encrypted);
        Ended pair(encrypted);
        pair.send("three");
        pair.near.unread(bytes_of("two "));
        pair.near.unread(bytes_of("one "));
        CHECK(pair.near.has_pending());
        CHECK(eventually([&] { return peeked(pair.near, 100) == "one two three"; }));
        CHECK(received(pair.near, 6) == "one tw");
        std::string rest;
        while (rest.size() < 7)
            rest += received(pair.near, 100);
        CHECK(rest == "o three");
        CHECK_FALSE(pair.near.has_read_ahead());
        pair.near.unread({});
        CHECK_FALSE(pair.near.has_pending());
    }
}

TEST_CASE("a look at the stream shows its end, and not before all that came ahead of it")
{
    for (const bool encrypted : {false, true}) {
        CAPTURE(encrypted);
        Ended pair(encrypted);
        std::array<std::byte, 16> room{};
        bool ended = true;
        CHECK(pair.near.peek(room, ended) == -1);
        CHECK_FALSE(ended);
        pair.send("last");
        CHECK(pair.far.end() == 0);
        CHECK(eventually([&] { return pair.near.peek(room, ended) == 4 && ended; }));
        CHECK(received(pair.near, 4) == "last");
        CHECK(pair.near.peek(room, ended) == 0);
        CHECK(ended);
    }
}

TEST_CASE("a peek decrypts no more than is needed to see how a stream begins")
{
    Ended pair(true);
    const std::string text = random_text(1000, 1);
    for (const char byte : text)
        pair.send({&byte, 1});
    const std::string seen = peeked(pair.near, 1000);
    CHECK(seen.size() >= 16);
    CHECK(text.starts_with(seen));
    std::string all;
    while (all.size() < text.size())
        all += received(pair.near, 100);
    CHECK((all == text));
}

TEST_CASE("a channel takes what was read ahead to an io_context and back")
{
    for (const bool encrypted : {false, true}) {
        CAPTURE(encrypted);
        asio::io_context io;
        Ended pair(encrypted);
        pair.near.unread(bytes_of("ahead"));
        AsyncChannel channel(io, tcp::v4(), std::move(pair.near));
        CHECK_FALSE(pair.near.is_open());
        CHECK(channel.is_encrypted() == encrypted);
        CHECK(channel.has_pending());
        CHECK(channel.read_ahead() == "ahead");
        channel.read_ahead() += ", more";
        CHECK(channel.send(bytes_of("answer")) == 6);
        Channel back = channel.release();
        CHECK(received(back, 100) == "ahead, more");
        CHECK(received(pair.far, 100) == "answer");
        pair.send("question");
        CHECK(received(back, 100) == "question");
    }
}

TEST_CASE("a channel costs a plain connection no more than its socket and two pointers")
{
    CHECK(sizeof(Channel) <= 3 * sizeof(void*));
    CHECK(sizeof(Tls) == sizeof(void*));
}

TEST_CASE("a reset is seen behind bytes that were read ahead of it")
{
    for (const bool encrypted : {false, true}) {
        CAPTURE(encrypted);
        Ended pair(encrypted);
        pair.near.unread(bytes_of("PR"));
        std::array<std::byte, 16> room{};
        CHECK(pair.near.peek(room) == 2);
        reset(pair.far);
        CHECK(eventually([&] { return pair.near.peek(room) == -1 && errno == ECONNRESET; }));
    }
}

TEST_CASE("a channel that is reset shows it to its peer")
{
    Ended pair(false);
    reset(pair.near);
    CHECK_FALSE(pair.near.is_open());
    std::array<std::byte, 1> room{};
    CHECK(eventually([&] { return pair.far.receive(room) == -1 && errno == ECONNRESET; }));
    reset(pair.near); // nothing is there any more
}
