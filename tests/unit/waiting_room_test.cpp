#include <doctest/doctest.h>

#include "common/net/socket.hpp"
#include "remote-proxy/waiting_room.hpp"
#include "tests/support/stream.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

constexpr Clock::time_point noon{12h};

// A visitor without a connection, who is called by his address.
Visitor named(std::string name, Clock::time_point arrived = noon)
{
    return {Fd(), std::move(name), arrived};
}

struct Told {
    Ticket ticket;
    std::string name;
};

// What the origin proxy would be told now.
std::vector<Told> told_by(WaitingRoom& room)
{
    std::vector<Told> told;
    room.hand_out_tickets([&](const Ticket& ticket, const Visitor& visitor) {
        told.push_back({ticket, visitor.address});
    });
    return told;
}

std::string names(const std::vector<Told>& told)
{
    std::string names;
    for (const Told& each : told)
        names += each.name;
    return names;
}

void do_nothing() {}

} // namespace

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
    CHECK(visitor->address == "a");
    CHECK_FALSE(claim->take());
    CHECK_FALSE(room.claim(ticket, do_nothing));
    CHECK(room.empty());
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
    room.revoke_tickets();
    for (const Told& each : before)
        CHECK_FALSE(room.claim(each.ticket, do_nothing));
    const auto after = told_by(room);
    CHECK(names(after) == "abc");
    CHECK(after[0].ticket != before[0].ticket);
    CHECK(room.claim(after[0].ticket, do_nothing).has_value());
    room.revoke_tickets();
    room.revoke_tickets();
    CHECK(names(told_by(room)) == "bc"); // the claim is gone, and the visitor with it
}

TEST_CASE("a claim that is under way survives that the tickets are revoked")
{
    WaitingRoom room(10);
    room.enter(named("a"));
    room.enter(named("b"));
    const auto told = told_by(room);
    auto claim = room.claim(told[0].ticket, do_nothing);
    REQUIRE(claim.has_value());
    room.revoke_tickets();
    CHECK(names(told_by(room)) == "b");
    CHECK(room.size() == 2);
    const auto visitor = claim->take();
    REQUIRE(visitor.has_value());
    CHECK(visitor->address == "a");
}

TEST_CASE("the oldest expires first also when a claim has outlived its control connection")
{
    WaitingRoom room(10);
    room.enter(named("a", noon));
    room.enter(named("b", noon + 1s));
    const auto claim = room.claim(told_by(room)[1].ticket, do_nothing);
    room.revoke_tickets();
    told_by(room);
    CHECK(room.oldest_arrival() == noon);
    const auto expired = room.expire(noon);
    REQUIRE(expired.has_value());
    CHECK(expired->address == "a");
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
    CHECK(visitor->address == "a");
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
    CHECK(visitor->address == "a");
    CHECK_FALSE(room.dismiss(told[0].ticket));
    CHECK(room.claim(told[1].ticket, do_nothing).has_value());
}

TEST_CASE("a visitor is reset when the claim on it dies, and a moved claim still holds it")
{
    WaitingRoom room(10);
    Connected pair = connected();
    Fd socket = pair.there.release();
    prepare_stream(socket.get());
    room.enter({std::move(socket), "a", noon});
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
