#include <doctest/doctest.h>

#include <deque>

#include "remote-proxy/handshakes.hpp"

using namespace std::chrono_literals;
using namespace tunnel;

namespace {

constexpr Clock::time_point noon{12h};

// A connection that says who it is, or is about to: an open socket and its place.
struct Caller {
    Caller(asio::io_context& io, Handshakes& handshakes, Clock::time_point now)
        : socket(io, tcp::v4()), place(handshakes.enter(socket, now))
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
    CHECK(callers[0].place.end() == "too many connections that have not said who they are");
    CHECK(callers[1].socket.is_open());
    CHECK(callers[1].place.end() == "");
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
    CHECK(callers[1].place.end() == "said nothing whole in time");
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
    CHECK(callers[0].place.end() == "said nothing whole in time");
    CHECK_FALSE(callers[0].socket.is_open());
    CHECK_FALSE(callers[1].socket.is_open());
    CHECK(callers[2].place.end() == "");
    CHECK(callers[2].socket.is_open());
    CHECK(handshakes.oldest() == noon + 2s);
    handshakes.expire(noon + 1h);
    CHECK_FALSE(callers[3].socket.is_open());
    CHECK(handshakes.oldest() == std::nullopt);
}
