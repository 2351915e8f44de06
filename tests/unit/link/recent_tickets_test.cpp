// Which tickets the origin proxy remembers.
#include <doctest/doctest.h>

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
