#include <doctest/doctest.h>

#include <deque>

#include "common/transport/socket.hpp"
#include "remote-proxy/origins/idle_pool.hpp"
#include "tests/unit/io.hpp"

using namespace tunnel;
using namespace tunnel::test;

namespace {

// Connections that are idle; the peers' ends are here.
struct Pool {
    explicit Pool(std::size_t capacity) : connections(IdleRoom(capacity)) {}

    void put()
    {
        SocketPair pair(io);
        pair.there.non_blocking(true);
        connections.put(release(std::move(pair.there)));
        peers.push_back(std::move(pair.here));
    }

    asio::io_context io;
    std::deque<tcp::socket> peers;
    IdlePool connections;
};

} // namespace

TEST_CASE("a sweep closes those that the peer has closed, and no others")
{
    Pool pool(100);
    for (int i = 0; i < 50; ++i)
        pool.put();
    for (const std::size_t gone : {0U, 17U, 18U, 49U})
        pool.peers[gone].close();
    pool.connections.sweep();
    CHECK(pool.connections.size() == 46);
    pool.connections.sweep();
    CHECK(pool.connections.size() == 46);
}

TEST_CASE(
    "one that comes where there is no room looks at a few of the others, and the next at more")
{
    Pool pool(40);
    for (int i = 0; i < 40; ++i)
        pool.put();
    pool.peers[39].close();
    pool.put(); // looks at the first 16
    pool.put(); // at the next 16
    CHECK(pool.connections.size() == 40);
    char byte = 0;
    std::error_code error;
    pool.peers[40].receive(asio::buffer(&byte, 1), 0, error);
    CHECK(error); // closed for want of room
    pool.put();   // at the rest, one of which makes room
    CHECK(pool.connections.size() == 40);
    pool.peers[42].non_blocking(true);
    pool.peers[42].receive(asio::buffer(&byte, 1), 0, error);
    CHECK(error == asio::error::would_block);
}
