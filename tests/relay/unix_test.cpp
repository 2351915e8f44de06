// The relay between an origin server at a Unix socket, which is the first of a pair, and TCP.
#include <doctest/doctest.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <future>

#include <sys/socket.h>

#include "tests/support/joined.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

// left is the origin server.
Joined join_unix(Relay& relay)
{
    PairOptions options;
    options.first_is_unix = true;
    return join(relay, Ends{connected_unix()}, std::move(options));
}

} // namespace

TEST_CASE("bytes arrive unchanged between a Unix socket and TCP, both ways at once")
{
    Relay relay(plain_relay());
    Joined joined = join_unix(relay);
    check_exchange(joined, random_text(24 << 20, 1), random_text(24 << 20, 2));
}

TEST_CASE("either end of a stream is passed on past a Unix socket, and the other way lives")
{
    Relay relay(plain_relay());
    Joined joined = join_unix(relay);
    Stream* first = &joined.left;
    Stream* second = &joined.right;
    SUBCASE("that of the Unix socket") {}
    SUBCASE("that of the TCP connection")
    {
        std::swap(first, second);
    }
    first->send("question");
    first->finish();
    CHECK(second->receive_all() == "question");
    second->send("answer");
    CHECK(first->receive(6) == "answer");
    second->send(", and more");
    second->finish();
    CHECK(first->receive_all() == ", and more");
    CHECK(end_of(joined).end == End::finished);
}

TEST_CASE("of a Unix socket and TCP, a side that does not read stalls its sender and loses nothing")
{
    Relay relay(plain_relay());
    Joined joined = join_unix(relay);
    Stream* sender = &joined.left;
    Stream* reader = &joined.right;
    SUBCASE("TCP does not read") {}
    SUBCASE("the Unix socket does not read")
    {
        std::swap(sender, reader);
    }
    const std::size_t sent = fill(*sender);
    CHECK(sent > 0);
    CHECK(sent < 64 << 20); // somebody held it up
    reader->send("and back");
    CHECK(sender->receive(8) == "and back");
    const std::string received = reader->receive(sent);
    CHECK((received == std::string(sent, 'x')));
    CHECK_FALSE(reader->readable_within(0ms));
}

TEST_CASE("a Unix socket that is closed with unread bytes resets the other side")
{
    Relay relay(plain_relay());
    Joined joined = join_unix(relay);
    joined.right.send("nobody reads this");
    CHECK(joined.left.readable_within(10s));
    joined.left.release().close();
    CHECK(joined.right.ending() == Ending::reset);
    CHECK(end_of(joined).end == End::first_failed);
}

TEST_CASE("a Unix socket that is closed is an end of the stream, and breaks who goes on writing")
{
    Relay relay(plain_relay());
    Joined joined = join_unix(relay);
    joined.left.send("the whole answer");
    joined.left.release().close();
    CHECK(joined.right.receive_all() == "the whole answer");
    joined.right.send("too late");
    CHECK(end_of(joined).end == End::first_failed);
    CHECK(eventually([&] { // reading answers the end of the stream for ever
        try {
            joined.right.send("nobody hears this");
            return false;
        } catch (const std::system_error&) {
            return true;
        }
    }));
}

// The kernel has no reset for Unix sockets: docs/security.md says what there is instead.
TEST_CASE("a reset reaches a Unix socket as the end of both ways")
{
    Relay relay(plain_relay());
    Joined joined = join_unix(relay);
    SUBCASE("an error, if it has said what was not read")
    {
        fill(joined.left);
        joined.right.reset();
        CHECK(end_of(joined).end == End::second_failed);
        CHECK(joined.left.ending() == Ending::reset);
    }
    SUBCASE("an end of the stream, if not, and what it writes then fails")
    {
        joined.right.send("half a sen");
        CHECK(joined.left.receive(10) == "half a sen");
        joined.right.reset();
        CHECK(end_of(joined).end == End::second_failed);
        CHECK(joined.left.ending() == Ending::end_of_stream);
        CHECK(::send(joined.left.descriptor(), "x", 1, MSG_NOSIGNAL) == -1);
        CHECK(errno == EPIPE);
    }
}

// A read stops where a descriptor was passed, which says nothing about what stands behind it.
TEST_CASE("descriptors that a Unix socket passes are dropped, and hold no byte up")
{
    Relay relay(plain_relay());
    Joined joined = join_unix(relay);
    for (int i = 0; i < 20; ++i) {
        std::string text = "abc";
        iovec piece{text.data(), text.size()};
        alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
        msghdr message{};
        message.msg_iov = &piece;
        message.msg_iovlen = 1;
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        cmsghdr* const header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        const int passed = joined.left.descriptor();
        std::memcpy(CMSG_DATA(header), &passed, sizeof passed);
        CHECK(::sendmsg(joined.left.descriptor(), &message, MSG_NOSIGNAL) == 3);
        joined.left.send("def");
        CHECK(joined.right.receive(6) == "abcdef");
    }
}
