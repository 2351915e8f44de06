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
