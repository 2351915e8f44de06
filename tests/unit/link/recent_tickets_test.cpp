// Which tickets the origin proxy remembers.
#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "origin-proxy/link/recent_tickets.hpp"

using namespace tunnel;

namespace {

Ticket ticket(std::uint8_t number)
{
    Ticket ticket{};
    ticket.bytes[0] = number;
    return ticket;
}

} // namespace

TEST_CASE("a ticket is remembered until as many others have come")
{
    RecentTickets tickets(2);
    CHECK_FALSE(tickets.contains(ticket(1)));
    tickets.insert(ticket(1));
    tickets.insert(ticket(2));
    CHECK(tickets.contains(ticket(1)));
    tickets.insert(ticket(3));
    CHECK_FALSE(tickets.contains(ticket(1)));
    CHECK(tickets.contains(ticket(2)));
    CHECK(tickets.contains(ticket(3)));
}

TEST_CASE("a ticket that comes twice drives out no other, and keeps its age")
{
    RecentTickets tickets(2);
    for (const int number : {1, 2, 2, 1, 1})
        tickets.insert(ticket(static_cast<std::uint8_t>(number)));
    CHECK(tickets.contains(ticket(1)));
    CHECK(tickets.contains(ticket(2)));
    tickets.insert(ticket(3));
    CHECK_FALSE(tickets.contains(ticket(1)));
}

TEST_CASE("all tickets can be forgotten at once, and then there is room for as many again")
{
    RecentTickets tickets(2);
    tickets.insert(ticket(1));
    tickets.insert(ticket(2));
    tickets.clear();
    CHECK_FALSE(tickets.contains(ticket(1)));
    tickets.insert(ticket(3));
    tickets.insert(ticket(4));
    CHECK(tickets.contains(ticket(3)));
}

TEST_CASE("of any tickets in any order, exactly the latest are remembered")
{
    std::mt19937 random(1); // NOLINT: the same each time
    constexpr std::size_t capacity = 50;
    RecentTickets tickets(capacity);
    std::vector<Ticket> by_age;
    for (int i = 0; i < 2000; ++i) {
        Ticket next{};
        next.bytes[0] = static_cast<std::uint8_t>(random() % 16); // few, so that many collide
        next.bytes[8] = static_cast<std::uint8_t>(random() % 16);
        tickets.insert(next);
        if (std::ranges::find(by_age, next) == by_age.end())
            by_age.push_back(next);
        if (by_age.size() > capacity)
            by_age.erase(by_age.begin());
        const Ticket other{RandomBytes{static_cast<std::uint8_t>(random() % 16)}};
        REQUIRE(tickets.contains(other) == (std::ranges::find(by_age, other) != by_age.end()));
        REQUIRE(std::ranges::all_of(by_age, [&](const Ticket& t) { return tickets.contains(t); }));
    }
}

TEST_CASE("an erased ticket is as if it had not come, and may come again")
{
    RecentTickets tickets(3);
    tickets.insert(ticket(1));
    tickets.insert(ticket(2));
    tickets.erase(ticket(1));
    tickets.erase(ticket(9)); // never came
    CHECK_FALSE(tickets.contains(ticket(1)));
    CHECK(tickets.contains(ticket(2)));
    tickets.insert(ticket(1));
    tickets.insert(ticket(3)); // takes the place that the first had before
    CHECK(tickets.contains(ticket(1)));
    CHECK(tickets.contains(ticket(2)));
    CHECK(tickets.contains(ticket(3)));
}

TEST_CASE("whatever is inserted and erased, all that was inserted lately is remembered")
{
    std::mt19937 random(2); // NOLINT: the same each time
    constexpr std::size_t capacity = 40;
    RecentTickets tickets(capacity);
    std::vector<Ticket> latest; // half as many, so that the places of erased ones do not matter
    for (int i = 0; i < 4000; ++i) {
        Ticket next{};
        next.bytes[0] = static_cast<std::uint8_t>(1 + random() % 8);
        next.bytes[8] = static_cast<std::uint8_t>(random() % 32);
        if (random() % 3 == 0) {
            tickets.erase(next);
            std::erase(latest, next);
            REQUIRE_FALSE(tickets.contains(next));
            continue;
        }
        if (tickets.contains(next))
            continue;
        tickets.insert(next);
        std::erase(latest, next);
        latest.push_back(next);
        if (latest.size() > capacity / 2)
            latest.erase(latest.begin());
        REQUIRE(std::ranges::all_of(latest, [&](const Ticket& t) { return tickets.contains(t); }));
    }
}
