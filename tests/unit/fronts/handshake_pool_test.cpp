#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "remote-proxy/fronts/handshake_pool.hpp"
#include "tests/support/stream.hpp"
#include "tests/support/visitor.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

using Outcome = HandshakePool::Outcome;

// Certificates, and a pool with one thread, to which four are given at a time.
struct House {
    ~House() { pool.stop(); }

    // From this address; the other end says nothing, and is closed if it `leaves`.
    void comes(const char* address, bool leaves = false, Clock::duration time = 10s,
               std::size_t most = 100)
    {
        Connected pair = connected();
        const std::uint16_t port = ++latest;
        const tcp::endpoint peer(asio::ip::make_address(address), port);
        if (!leaves)
            others.push_back(std::move(pair.here));
        const auto done = [this](Newcomer newcomer, VisitorHandshakes::Result result,
                                 Outcome outcome) {
            ends.push_back({newcomer.peer.port(), outcome, newcomer.socket.is_open()});
            CHECK_FALSE(result.channel.is_open());
        };
        pool.begin({pair.there.release(), peer, {}, nullptr, nullptr, now}, served, "app.test",
                   now + time, most, done);
    }

    // Until so many have ended.
    bool ended(std::size_t count)
    {
        return eventually([&] {
            io.restart();
            io.poll();
            return ends.size() >= count;
        });
    }

    struct Ended {
        std::uint16_t port;
        Outcome outcome;
        bool has_socket;
    };

    asio::io_context io{1};
    CertificateStore store;
    std::shared_ptr<const ServedCertificates> served = [this] {
        store.add("app", "DNS:app.test");
        return store.load();
    }();
    Clock::time_point now = Clock::now();
    std::uint16_t latest = 0;
    std::vector<Stream> others;
    std::vector<Ended> ends;
    HandshakePool pool{io, 1};
};

} // namespace

TEST_CASE("handshakes that have not begun in time are let go with their sockets")
{
    House house;
    for (int i = 0; i < 6; ++i)
        house.comes("192.0.2.1");
    CHECK(house.pool.size() == 6);
    REQUIRE(house.pool.next_deadline());
    house.pool.expire(house.now + 9s);
    CHECK(house.ends.empty());
    house.pool.expire(house.now + 10s);
    REQUIRE(house.ends.size() == 2); // the other four have begun
    for (const auto& each : house.ends) {
        CHECK(each.outcome == Outcome::late);
        CHECK(each.has_socket);
        CHECK(each.port > 4);
    }
    CHECK(house.pool.size() == 4);
    CHECK_FALSE(house.pool.next_deadline());
}

TEST_CASE("silent visitors hold up nobody's handshake, since the first look at them is short")
{
    House house;
    for (int i = 0; i < 50; ++i)
        house.comes("192.0.2.1");
    house.comes("192.0.2.1", true);
    CHECK(house.ended(1)); // behind all the silent ones
    CHECK(house.ends.front().port == 51);
    CHECK(house.ends.front().outcome == Outcome::ended);
}

TEST_CASE("addresses take turns, however many handshakes one of them has begun")
{
    House house;
    for (int i = 0; i < 20; ++i)
        house.comes("192.0.2.1", true);
    house.comes("192.0.2.2", true);
    CHECK(house.ended(21));
    const auto place = std::ranges::find(house.ends, 21, &House::Ended::port);
    REQUIRE(place != house.ends.end());
    CHECK(place - house.ends.begin() < 8); // four had begun before, and one had its turn
    CHECK(house.pool.size() == 0);
}

TEST_CASE("when there are too many the address that has the most loses its oldest")
{
    House house;
    house.comes("192.0.2.2");
    for (int i = 0; i < 6; ++i)
        house.comes("192.0.2.1");
    house.comes("192.0.2.3", false, 10s, 7);
    CHECK(house.pool.size() == 7);
    CHECK(house.ended(1));
    CHECK(house.ends.front().port == 2);
    CHECK(house.ends.front().outcome == Outcome::pushed_out);
}

TEST_CASE("a stop lets all go that have not begun")
{
    House house;
    for (int i = 0; i < 9; ++i)
        house.comes("192.0.2.1");
    house.pool.stop();
    CHECK(house.ended(4)); // those that had begun are told so
    CHECK(house.pool.size() == 0);
    for (Stream& other : house.others)
        CHECK(other.ending() == Ending::reset);
}
