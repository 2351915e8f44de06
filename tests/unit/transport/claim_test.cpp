// Visitors who are claimed with their ticket.
#include <doctest/doctest.h>

#include "common/transport/socket.hpp"
#include "tests/support/stream.hpp"
#include "tests/unit/visitors.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

TEST_CASE("a ticket is good for one claim, and the claim for one visitor")
{
    WaitingRoom room(10);
    room.enter(named("a"));
    const Ticket ticket = told_by(room)[0].ticket;
    auto claim = room.claim(ticket, do_nothing);
    REQUIRE(claim.has_value());
    CHECK_FALSE(room.claim(ticket, do_nothing));
    const auto visitor = claim->take();
    REQUIRE(visitor.has_value());
    CHECK(name_of(*visitor) == "a");
    CHECK_FALSE(claim->take());
    CHECK_FALSE(room.claim(ticket, do_nothing));
    CHECK(room.empty());
}

TEST_CASE("a room is full with as many visitors as it holds, told or not, claimed or not")
{
    WaitingRoom room(3);
    CHECK(room.empty());
    room.enter(named("a"));
    room.enter(named("b"));
    const auto told = told_by(room);
    CHECK_FALSE(room.full());
    room.enter(named("c"));
    CHECK(room.full());
    auto claim = room.claim(told[0].ticket, do_nothing);
    REQUIRE(claim.has_value());
    CHECK(room.full());
    claim->take();
    CHECK_FALSE(room.full());
    CHECK(room.size() == 2);
}

TEST_CASE("a claim that is under way survives that the tickets are revoked")
{
    WaitingRoom room(10);
    room.enter(named("a"));
    room.enter(named("b"));
    const auto told = told_by(room);
    auto claim = room.claim(told[0].ticket, do_nothing);
    REQUIRE(claim.has_value());
    room.revoke_tickets(0);
    CHECK(names(told_by(room)) == "b");
    CHECK(room.size() == 2);
    const auto visitor = claim->take();
    REQUIRE(visitor.has_value());
    CHECK(name_of(*visitor) == "a");
}

TEST_CASE("the oldest expires first also when a claim has outlived its control connection")
{
    WaitingRoom room(10);
    room.enter(named("a", noon));
    room.enter(named("b", noon + 1s));
    const auto claim = room.claim(told_by(room)[1].ticket, do_nothing);
    room.revoke_tickets(0);
    told_by(room);
    CHECK(room.oldest_arrival() == noon);
    const auto expired = room.expire(noon);
    REQUIRE(expired.has_value());
    CHECK(name_of(*expired) == "a");
}

TEST_CASE("whoever has claimed a visitor hears when it expires or is dismissed")
{
    WaitingRoom room(10);
    room.enter(named("a"));
    const Ticket ticket = told_by(room)[0].ticket;
    int gone = 0;
    auto claim = room.claim(ticket, [&] { ++gone; });
    REQUIRE(claim.has_value());
    std::optional<Visitor> visitor;
    SUBCASE("expires")
    {
        visitor = room.expire(noon);
    }
    SUBCASE("is dismissed")
    {
        visitor = room.dismiss(ticket);
    }
    REQUIRE(visitor.has_value());
    CHECK(name_of(*visitor) == "a");
    CHECK(gone == 1);
    CHECK_FALSE(claim->take());
    CHECK(gone == 1);
    CHECK(room.empty());
}

TEST_CASE("a visitor that is taken or let go is not said to be gone")
{
    WaitingRoom room(10);
    room.enter(named("a"));
    int gone = 0;
    {
        auto claim = room.claim(told_by(room)[0].ticket, [&] { ++gone; });
        REQUIRE(claim.has_value());
        SUBCASE("taken")
        {
            CHECK(claim->take().has_value());
        }
        SUBCASE("let go") {}
    }
    CHECK(gone == 0);
    CHECK(room.empty());
}

TEST_CASE("a visitor that nobody has claimed is dismissed by its ticket")
{
    WaitingRoom room(10);
    room.enter(named("a"));
    room.enter(named("b"));
    const auto told = told_by(room);
    const auto visitor = room.dismiss(told[0].ticket);
    REQUIRE(visitor.has_value());
    CHECK(name_of(*visitor) == "a");
    CHECK_FALSE(room.dismiss(told[0].ticket));
    CHECK(room.claim(told[1].ticket, do_nothing).has_value());
}

TEST_CASE("a visitor is reset when the claim on it dies, and a moved claim still holds it")
{
    WaitingRoom room(10);
    Connected pair = connected();
    Fd socket = pair.there.release();
    prepare_stream(socket.get());
    room.enter({std::move(socket), noon, place_of("a")});
    {
        auto first = room.claim(told_by(room)[0].ticket, do_nothing);
        REQUIRE(first.has_value());
        const WaitingRoom::Claim second(std::move(*first));
        first.reset();
        CHECK(room.size() == 1);
        CHECK(pair.here.ending(0ms) == Ending::silence);
    }
    CHECK(room.empty());
    CHECK(pair.here.ending() == Ending::reset);
}
