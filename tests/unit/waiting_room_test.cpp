#include <doctest/doctest.h>

#include "common/net/socket.hpp"
#include "tests/support/stream.hpp"
#include "tests/unit/visitors.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

TEST_CASE("a visitor is told once, with a ticket of its own, in the order of arrival")
{
    WaitingRoom room(10);
    CHECK(told_by(room).empty());
    for (const auto name : {"a", "b", "c"})
        room.enter(named(name));
    const auto told = told_by(room);
    CHECK(names(told) == "abc");
    CHECK(told[0].ticket != told[1].ticket);
    CHECK(told_by(room).empty());
    room.enter(named("d"));
    CHECK(names(told_by(room)) == "d");
}

TEST_CASE("a ticket that nobody was given is refused")
{
    WaitingRoom room(10);
    room.enter(named("a"));
    CHECK_FALSE(room.claim(Ticket(), do_nothing)); // what an untold seat holds
    CHECK_FALSE(room.dismiss(Ticket()));
    told_by(room);
    CHECK_FALSE(room.claim(Ticket{random_bytes()}, do_nothing));
    CHECK_FALSE(room.dismiss(Ticket{random_bytes()}));
    CHECK(room.size() == 1);
}

TEST_CASE("visitors expire by age, the oldest first, and not before their time")
{
    WaitingRoom room(10);
    CHECK(room.oldest_arrival() == std::nullopt);
    CHECK_FALSE(room.expire(noon));
    room.enter(named("a", noon));
    told_by(room);
    room.enter(named("b", noon + 1s));
    room.enter(named("c", noon + 2s));
    CHECK(room.oldest_arrival() == noon);
    CHECK_FALSE(room.expire(noon - 1ns));
    CHECK(room.expire(noon + 1s)->address == "a");
    CHECK(room.oldest_arrival() == noon + 1s);
    CHECK(room.expire(noon + 1s)->address == "b");
    CHECK_FALSE(room.expire(noon + 1s));
    CHECK(room.oldest_arrival() == noon + 2s);
    CHECK(names(told_by(room)) == "c");
}

TEST_CASE("the ticket of an expired visitor is void")
{
    WaitingRoom room(10);
    room.enter(named("a"));
    const Ticket ticket = told_by(room)[0].ticket;
    REQUIRE(room.expire(noon).has_value());
    CHECK_FALSE(room.claim(ticket, do_nothing));
}

TEST_CASE("revoked tickets are void, and new ones are told in the order of arrival")
{
    WaitingRoom room(10);
    room.enter(named("a"));
    room.enter(named("b"));
    const auto before = told_by(room);
    room.enter(named("c"));
    room.revoke_tickets(0);
    for (const Told& each : before)
        CHECK_FALSE(room.claim(each.ticket, do_nothing));
    const auto after = told_by(room);
    CHECK(names(after) == "abc");
    CHECK(after[0].ticket != before[0].ticket);
    CHECK(room.claim(after[0].ticket, do_nothing).has_value());
    room.revoke_tickets(0);
    room.revoke_tickets(0);
    CHECK(names(told_by(room)) == "bc"); // the claim is gone, and the visitor with it
}

TEST_CASE("the visitors that are left are reset with the room")
{
    Connected pair = connected();
    {
        WaitingRoom room(10);
        Fd socket = pair.there.release();
        prepare_stream(socket.get());
        room.enter({std::move(socket), "a", noon});
    }
    CHECK(pair.here.ending() == Ending::reset);
}
