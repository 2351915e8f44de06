#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <string>

#include "remote-proxy/control/handshakes.hpp"

using namespace std::chrono_literals;
using namespace tunnel;

namespace {

constexpr Clock::time_point noon{12h};

// A connection that says who it is, or is about to: an open socket and its place.
struct Caller {
    Caller(asio::io_context& io, Handshakes& handshakes, Clock::time_point now,
           const char* from = "192.0.2.1")
        : socket(io, tcp::v4()), place(handshakes.enter(socket, asio::ip::make_address(from), now))
    {
    }

    tcp::socket socket;
    Handshakes::Place place;
};

} // namespace

TEST_CASE("of too many connections the oldest is closed, and is told why")
{
    asio::io_context io;
    Handshakes handshakes(2);
    std::deque<Caller> callers;
    for (int i = 0; i < 2; ++i)
        callers.emplace_back(io, handshakes, noon + i * 1s);
    CHECK(callers[0].socket.is_open());
    callers.emplace_back(io, handshakes, noon + 2s);
    CHECK_FALSE(callers[0].socket.is_open());
    CHECK(callers[0].place.end().code == Code::no_room);
    CHECK(callers[1].socket.is_open());
    CHECK(callers[1].place.end().empty());
    CHECK(callers[2].socket.is_open());
    CHECK(handshakes.oldest() == noon + 1s);
}

TEST_CASE("however many come before the closed ones have noticed, only as many are open")
{
    asio::io_context io;
    Handshakes handshakes(3);
    std::deque<Caller> callers;
    for (int i = 0; i < 50; ++i) {
        callers.emplace_back(io, handshakes, noon + i * 1s);
        CHECK(std::ranges::count_if(
                  callers, [](const Caller& caller) { return caller.socket.is_open(); }) <= 3);
        CHECK(callers.back().socket.is_open());
    }
    CHECK(handshakes.oldest() == noon + 47s);
}

TEST_CASE("one that is expected is not pushed out by others, nor pushes others out")
{
    asio::io_context io;
    Handshakes handshakes(2);
    std::deque<Caller> callers;
    for (int i = 0; i < 4; ++i) {
        callers.emplace_back(io, handshakes, noon + i * 1s);
        callers.back().place.expect(random_bytes(), 3);
        CHECK_FALSE(handshakes.full());
    }
    callers.emplace_back(io, handshakes, noon + 4s);
    CHECK(handshakes.full());
    callers.emplace_back(io, handshakes, noon + 5s);
    for (int i = 0; i < 3; ++i)
        CHECK(callers[i].socket.is_open());
    CHECK_FALSE(callers[3].socket.is_open()); // one more than are expected is like any other
    CHECK(callers[4].socket.is_open());
    handshakes.expire(noon + 1s);
    CHECK(callers[1].place.end().code == Code::timeout);
    callers.emplace_back(io, handshakes, noon + 6s);
    callers.back().place.expect(random_bytes(), 3); // there is room for it again
    CHECK(callers[5].socket.is_open());
}

TEST_CASE("a connection that has said who it is leaves its place to another")
{
    asio::io_context io;
    Handshakes handshakes(2);
    std::deque<Caller> callers;
    callers.emplace_back(io, handshakes, noon);
    {
        const Caller quick(io, handshakes, noon + 1s);
    }
    callers.emplace_back(io, handshakes, noon + 2s);
    CHECK(callers[0].socket.is_open());
    CHECK(callers[1].socket.is_open());
    callers.pop_front();
    CHECK(handshakes.oldest() == noon + 2s);
    callers.clear();
    CHECK(handshakes.oldest() == std::nullopt);
}

TEST_CASE("one that is closed and has not left yet takes no place from those that are open")
{
    asio::io_context io;
    Handshakes handshakes(2);
    std::deque<Caller> callers;
    callers.emplace_back(io, handshakes, noon);
    handshakes.expire(noon);
    REQUIRE_FALSE(callers[0].socket.is_open());
    callers.emplace_back(io, handshakes, noon + 1s);
    callers.emplace_back(io, handshakes, noon + 2s);
    CHECK(callers[1].socket.is_open());
    CHECK(callers[2].socket.is_open());
}

TEST_CASE("those that take too long are closed, the others not")
{
    asio::io_context io;
    Handshakes handshakes(10);
    CHECK(handshakes.oldest() == std::nullopt);
    handshakes.expire(noon);
    std::deque<Caller> callers;
    for (int i = 0; i < 4; ++i)
        callers.emplace_back(io, handshakes, noon + i * 1s);
    handshakes.expire(noon - 1ns);
    CHECK(handshakes.oldest() == noon);
    handshakes.expire(noon + 1s);
    CHECK(callers[0].place.end().code == Code::timeout);
    CHECK_FALSE(callers[0].socket.is_open());
    CHECK_FALSE(callers[1].socket.is_open());
    CHECK(callers[2].place.end().empty());
    CHECK(callers[2].socket.is_open());
    CHECK(handshakes.oldest() == noon + 2s);
    handshakes.expire(noon + 1h);
    CHECK_FALSE(callers[3].socket.is_open());
    CHECK(handshakes.oldest() == std::nullopt);
}

TEST_CASE("strangers from one address push out each other, and nobody from another address")
{
    asio::io_context io;
    Handshakes handshakes(10);
    std::deque<Caller> good;
    good.emplace_back(io, handshakes, noon, "198.51.100.1");
    good.emplace_back(io, handshakes, noon, "2001:db8::1");
    std::deque<Caller> strangers;
    const char* from = "192.0.2.1";
    SUBCASE("of IPv4") {}
    SUBCASE("of one network of IPv6")
    {
        from = nullptr;
    }
    for (int i = 0; i < 100; ++i) {
        const std::string of_network = "2001:db8:0:1::" + std::to_string(i + 1);
        strangers.emplace_back(io, handshakes, noon + i * 1ms,
                               from != nullptr ? from : of_network.c_str());
        CHECK(strangers.back().socket.is_open());
    }
    for (const Caller& each : good)
        CHECK(each.socket.is_open());
    CHECK(std::ranges::count_if(strangers,
                                [](const Caller& each) { return each.socket.is_open(); }) == 8);
    CHECK_FALSE(strangers[91].socket.is_open());
    CHECK(strangers[92].socket.is_open());
}

TEST_CASE("of two addresses that fill the table the one that has more loses first")
{
    asio::io_context io;
    Handshakes handshakes(9);
    std::deque<Caller> few;
    std::deque<Caller> many;
    for (int i = 0; i < 3; ++i)
        few.emplace_back(io, handshakes, noon, "192.0.2.1");
    for (int i = 0; i < 6; ++i)
        many.emplace_back(io, handshakes, noon + 1s, "192.0.2.2");
    few.emplace_back(io, handshakes, noon + 2s, "192.0.2.1");
    CHECK_FALSE(many[0].socket.is_open());
    few.emplace_back(io, handshakes, noon + 2s, "192.0.2.1");
    CHECK_FALSE(many[1].socket.is_open());
    few.emplace_back(io, handshakes, noon + 2s, "192.0.2.1"); // it has more by now
    CHECK(many[2].socket.is_open());
    CHECK_FALSE(few[0].socket.is_open());
}

TEST_CASE("who has named a key is not pushed out by those who have not, also of its own address")
{
    asio::io_context io;
    Handshakes handshakes(10);
    std::deque<Caller> known;
    known.emplace_back(io, handshakes, noon);
    known.back().place.keep();
    std::deque<Caller> silent;
    for (int i = 0; i < 100; ++i)
        silent.emplace_back(io, handshakes, noon + 1s);
    CHECK(known[0].socket.is_open());
    CHECK(silent[91].socket.is_open());
    CHECK_FALSE(silent[90].socket.is_open());
}

TEST_CASE("those who have named a key, as whoever reads along can, have half of the room")
{
    asio::io_context io;
    Handshakes handshakes(10);
    std::deque<Caller> good;
    good.emplace_back(io, handshakes, noon, "198.51.100.1");
    good.back().place.keep();
    std::deque<Caller> replayed;
    for (int i = 0; i < 100; ++i) {
        replayed.emplace_back(io, handshakes, noon + 1s);
        replayed.back().place.keep();
        CHECK(replayed.back().socket.is_open());
    }
    CHECK(good[0].socket.is_open());
    CHECK(std::ranges::count_if(replayed,
                                [](const Caller& each) { return each.socket.is_open(); }) == 4);
    std::deque<Caller> silent;
    for (int i = 0; i < 5; ++i)
        silent.emplace_back(io, handshakes, noon + 2s, "203.0.113.1");
    CHECK(silent[0].socket.is_open());
}

TEST_CASE("thousands that run out of time together are closed a few in each turn")
{
    asio::io_context io;
    Handshakes handshakes(500);
    std::deque<Caller> callers;
    for (int i = 0; i < 500; ++i)
        callers.emplace_back(io, handshakes, noon);
    int turns = 0;
    for (; handshakes.oldest(); ++turns) {
        handshakes.expire(noon);
        CHECK(callers[499].socket.is_open() == (turns < 7));
    }
    CHECK(turns == 8);
}
