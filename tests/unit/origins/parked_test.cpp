#include <doctest/doctest.h>

#include <deque>

#include "common/transport/socket.hpp"
#include "remote-proxy/origins/parked.hpp"
#include "tests/unit/io.hpp"

using namespace tunnel;
using namespace tunnel::test;

namespace {

// Connections that are parked; the peers' ends are here.
struct Lot {
    explicit Lot(std::size_t capacity) : connections(ParkingSpace(capacity)) {}

    void put()
    {
        SocketPair pair(io);
        pair.there.non_blocking(true);
        connections.put(Framed{release(std::move(pair.there))});
        peers.push_back(std::move(pair.here));
    }

    asio::io_context io;
    std::deque<tcp::socket> peers;
    ParkedConnections connections;
};

} // namespace

TEST_CASE("a sweep closes those that the peer has closed, and no others")
{
    Lot lot(100);
    for (int i = 0; i < 50; ++i)
        lot.put();
    for (const std::size_t gone : {0U, 17U, 18U, 49U})
        lot.peers[gone].close();
    lot.connections.sweep();
    CHECK(lot.connections.size() == 46);
    lot.connections.sweep();
    CHECK(lot.connections.size() == 46);
}

TEST_CASE(
    "one that comes where there is no room looks at a few of the others, and the next at more")
{
    Lot lot(40);
    for (int i = 0; i < 40; ++i)
        lot.put();
    lot.peers[39].close();
    lot.put(); // looks at the first 16
    lot.put(); // at the next 16
    CHECK(lot.connections.size() == 40);
    char byte = 0;
    std::error_code error;
    lot.peers[40].receive(asio::buffer(&byte, 1), 0, error);
    CHECK(error); // closed for want of room
    lot.put();    // at the rest, one of which makes room
    CHECK(lot.connections.size() == 40);
    lot.peers[42].non_blocking(true);
    lot.peers[42].receive(asio::buffer(&byte, 1), 0, error);
    CHECK(error == asio::error::would_block);
}
