#include <doctest/doctest.h>

#include <netinet/tcp.h>

#include "common/transport/socket.hpp"
#include "tests/support/stream.hpp"
#include "tests/unit/io.hpp"

using namespace tunnel;
using namespace tunnel::test;

namespace {

int option(int descriptor, int level, int name)
{
    int value = -1;
    socklen_t size = sizeof value;
    ::getsockopt(descriptor, level, name, &value, &size);
    return value;
}

} // namespace

TEST_CASE("a stream sends at once and notices a dead peer")
{
    const Connected pair = connected();
    prepare_stream(pair.there.descriptor());
    CHECK(option(pair.there.descriptor(), IPPROTO_TCP, TCP_NODELAY) == 1);
    CHECK(option(pair.there.descriptor(), SOL_SOCKET, SO_KEEPALIVE) == 1);
    CHECK(option(pair.there.descriptor(), IPPROTO_TCP, TCP_KEEPIDLE) == 30);
    CHECK(option(pair.there.descriptor(), IPPROTO_TCP, TCP_KEEPINTVL) == 10);
    CHECK(option(pair.there.descriptor(), IPPROTO_TCP, TCP_KEEPCNT) == 3);
}

TEST_CASE("a stream that is closed is reset, unless it came to its end")
{
    Connected pair = connected();
    Fd socket = pair.there.release();
    prepare_stream(socket.get());
    SUBCASE("cut")
    {
        socket.close();
        CHECK(pair.here.ending() == Ending::reset);
    }
    SUBCASE("came to its end")
    {
        allow_clean_close(socket.get());
        socket.close();
        CHECK(pair.here.ending() == Ending::end_of_stream);
    }
}

TEST_CASE("a reset is what the peer sees, whatever the socket was prepared for")
{
    Connected pair = connected();
    Fd socket = pair.there.release();
    allow_clean_close(socket.get());
    reset(socket);
    CHECK_FALSE(socket.is_open());
    CHECK(pair.here.ending() == Ending::reset);
    reset(socket); // not open: changes nothing
}

TEST_CASE("a socket of asio is reset like any other")
{
    asio::io_context io;
    SocketPair pair(io);
    reset(pair.here);
    CHECK_FALSE(pair.here.is_open());
    reset(pair.here);
    char byte = 0;
    std::error_code error;
    pair.there.read_some(asio::buffer(&byte, 1), error);
    CHECK(error == asio::error::connection_reset);
}

TEST_CASE("a socket that is released from asio stays open")
{
    asio::io_context io;
    SocketPair pair(io);
    {
        const Fd released = release(std::move(pair.here));
        CHECK(released.is_open());
        CHECK(pair.there.available() == 0);
        CHECK(::write(released.get(), "x", 1) == 1);
    }
    char byte = 0;
    CHECK(pair.there.read_some(asio::buffer(&byte, 1)) == 1);
    CHECK(byte == 'x');
}

TEST_CASE("the peer is named as long as there is a connection")
{
    asio::io_context io;
    SocketPair pair(io);
    CHECK(peer_of(pair.here) == to_string(pair.there.local_endpoint()));
    pair.here.close();
    CHECK(peer_of(pair.here) == "unknown");
}
