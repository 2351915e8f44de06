#include <doctest/doctest.h>

#include "common/transport/socket.hpp"
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
    CHECK_FALSE(room.claim(Ticket(), do_nothing)); // what an unannounced seat holds
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
    CHECK(name_of(*room.expire(noon + 1s)) == "a");
    CHECK(room.oldest_arrival() == noon + 1s);
    CHECK(name_of(*room.expire(noon + 1s)) == "b");
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
        room.enter({std::move(socket), noon, place_of("a")});
    }
    CHECK(pair.here.ending() == Ending::reset);
}

namespace {

// A visitor from this address, who is called by a name.
Visitor from(const char* address, std::string_view name, std::uint64_t service = 0)
{
    Visitor visitor = named(name);
    visitor.peer.address(asio::ip::make_address(address));
    visitor.visited = std::make_shared<VisitedService>(VisitedService{"web", service});
    return visitor;
}

std::string name_of(const std::optional<Visitor>& visitor)
{
    return visitor ? test::name_of(*visitor) : "nobody";
}

std::optional<Visitor> room_for(WaitingRoom& room, const char* address,
                                std::optional<std::uint64_t> service = {})
{
    return room.make_room_for(asio::ip::make_address(address), service);
}

} // namespace

TEST_CASE("the address from which most wait gives up its latest visitor, told or not")
{
    WaitingRoom room(4);
    CHECK(name_of(room_for(room, "192.0.2.1")) == "nobody");
    room.enter(from("192.0.2.1", "a"));
    room.enter(from("192.0.2.7", "b"));
    room.enter(from("192.0.2.7", "c"));
    const auto told = told_by(room);
    room.enter(from("192.0.2.7", "d"));
    CHECK(name_of(room_for(room, "192.0.2.7")) == "nobody"); // it would be itself
    CHECK(name_of(room_for(room, "198.51.100.1")) == "d");
    room.enter(from("198.51.100.1", "e"));
    CHECK(name_of(room_for(room, "198.51.100.1")) == "nobody"); // it would have as many
    CHECK(name_of(room_for(room, "203.0.113.1")) == "c");
    CHECK_FALSE(room.claim(told[2].ticket, do_nothing));
    room.enter(from("192.0.2.7", "f"));
    told_by(room);
    room.revoke_tickets(0);
    CHECK(name_of(room_for(room, "203.0.113.1")) == "f");
    CHECK(names(told_by(room)) == "abe");
    CHECK(room.size() == 3);
}

TEST_CASE("a claimed visitor that is given up is gone for whoever claimed it")
{
    WaitingRoom room(2);
    room.enter(from("192.0.2.7", "a"));
    room.enter(from("192.0.2.7", "b"));
    const auto told = told_by(room);
    int gone = 0;
    auto claim = room.claim(told[1].ticket, [&gone] { ++gone; });
    CHECK(name_of(room_for(room, "192.0.2.8")) == "b");
    CHECK(gone == 1);
    CHECK_FALSE(claim->take().has_value());
    CHECK(room.size() == 1);
}

TEST_CASE("an IPv6 network of 64 bits counts as one address in the waiting room")
{
    WaitingRoom room(3);
    room.enter(from("2001:db8::1", "a"));
    room.enter(from("2001:db8::2", "b"));
    room.enter(from("2001:db8:0:1::1", "c"));
    CHECK(name_of(room_for(room, "2001:db8::3")) == "nobody");
    CHECK(name_of(room_for(room, "2001:db8:0:2::1")) == "b");
}

TEST_CASE("a service that has used up its share takes a place from its own visitors alone")
{
    WaitingRoom room(10);
    for (const auto name : {"a", "b", "c"})
        room.enter(from("192.0.2.7", name, 1));
    for (const auto name : {"d", "e"})
        room.enter(from("192.0.2.8", name, 2));
    CHECK(name_of(room_for(room, "192.0.2.9", 2)) == "e");
    CHECK(name_of(room_for(room, "192.0.2.9", 2)) == "nobody");
    CHECK(name_of(room_for(room, "192.0.2.9", 3)) == "nobody");
    CHECK(name_of(room_for(room, "192.0.2.9")) == "c");
    CHECK(room.waiting(1) == 2);
    CHECK(room.waiting(2) == 1);
}
