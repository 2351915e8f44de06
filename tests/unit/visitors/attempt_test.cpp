#include <doctest/doctest.h>

#include "remote-proxy/visitors/visitor.hpp"

using namespace tunnel;

namespace {

std::shared_ptr<Carrier> carrier(std::uint64_t link)
{
    return std::make_shared<Carrier>(
        Carrier{link,
                "roof",
                {},
                OriginId{random_bytes()},
                1,
                std::make_shared<const OriginName>("roof", false, "", 1)});
}

// Announced on an idle connection of this origin proxy.
Visitor announced_early(const std::shared_ptr<Carrier>& by)
{
    Visitor visitor{Fd(), Clock::now(), {asio::ip::make_address("192.0.2.1"), 5}};
    visitor.attempt.emplace(by);
    visitor.early.emplace(EarlyAnnouncement{Ticket{random_bytes()}, by});
    return visitor;
}

} // namespace

TEST_CASE("a visitor is announced with its ticket, its address, its service and where it came")
{
    const Ticket ticket{random_bytes()};
    Visitor visitor{Fd(), Clock::now(), {asio::ip::make_address("192.0.2.1"), 5}};
    visitor.outside = {asio::ip::make_address("192.0.2.9"), 80};
    const Announce expected{ticket, "192.0.2.1:5", "web", "192.0.2.9:80"};
    CHECK((announcement(ticket, visitor, {"web", {}}) == expected));
}

TEST_CASE("a visitor counts for the origin proxy that it is announced to until the attempt ends")
{
    const auto roof = carrier(7);
    Visitor visitor{Fd(), Clock::now(), {asio::ip::make_address("192.0.2.1"), 5}};
    CHECK(visitor.announced_on() == 0);
    CHECK(visitor.origin() == nullptr);
    visitor.attempt.emplace(roof);
    CHECK(visitor.announced_on() == 7);
    CHECK(visitor.origin()->credential() == "roof");
    CHECK(roof->visitors == 1);

    Visitor moved = std::move(visitor);
    CHECK(roof->visitors == 1);
    for (const AttemptEnd how : {AttemptEnd::revoked, AttemptEnd::refused, AttemptEnd::broken,
                                 AttemptEnd::not_started, AttemptEnd::maybe_heard}) {
        CAPTURE(static_cast<int>(how));
        moved.attempt.emplace(roof);
        CHECK(roof->visitors == 1);
        moved.end_attempt(how);
        CHECK(moved.announced_on() == 0);
        CHECK(roof->visitors == 0);
    }
}

TEST_CASE("a visitor that leaves, or is announced to another one, does not count any more")
{
    const auto roof = carrier(7);
    const auto cellar = carrier(8);
    {
        Visitor visitor{Fd(), Clock::now(), {asio::ip::make_address("192.0.2.1"), 5}};
        visitor.attempt.emplace(roof);
        visitor.attempt.emplace(cellar);
        CHECK(roof->visitors == 0);
        CHECK(cellar->visitors == 1);

        Visitor other{Fd(), Clock::now(), {asio::ip::make_address("192.0.2.1"), 6}};
        other.attempt.emplace(roof);
        other = std::move(visitor);
        CHECK(cellar->visitors == 1);
    }
    CHECK(roof->visitors == 0);
    CHECK(cellar->visitors == 0);
}

TEST_CASE("whoever may have the first bytes of a visitor is the only one who may serve it")
{
    const auto roof = carrier(7);
    Visitor visitor = announced_early(roof);
    CHECK(visitor.only_for() == roof.get());
    const Ticket ticket = visitor.early->ticket;
    visitor.end_attempt(AttemptEnd::maybe_heard);
    CHECK(visitor.only_for() == roof.get());
    CHECK(visitor.early->ticket == ticket);
    visitor.attempt.emplace(roof);
    visitor.end_attempt(AttemptEnd::revoked);
    CHECK(visitor.only_for() == roof.get());
    CHECK(visitor.early->ticket == ticket);
}

TEST_CASE("a visitor of whom no byte was sent may be served by anybody, with the same ticket")
{
    Visitor visitor = announced_early(carrier(7));
    const Ticket ticket = visitor.early->ticket;
    visitor.end_attempt(AttemptEnd::not_started);
    CHECK(visitor.only_for() == nullptr);
    CHECK(visitor.early->ticket == ticket);
    CHECK(visitor.refused_by == nullptr);
}

TEST_CASE("a visitor that was refused gets another ticket, and is not announced there again")
{
    const auto roof = carrier(7);
    Visitor visitor = announced_early(roof);
    visitor.end_attempt(AttemptEnd::refused);
    CHECK(visitor.only_for() == nullptr);
    CHECK_FALSE(visitor.early.has_value());
    CHECK(visitor.was_refused_by(roof->origin));
}

TEST_CASE("a visitor whose data connection broke gets another ticket, of anybody")
{
    Visitor visitor{Fd(), Clock::now(), {asio::ip::make_address("192.0.2.1"), 5}};
    visitor.attempt.emplace(carrier(7));
    visitor.end_attempt(AttemptEnd::broken);
    CHECK_FALSE(visitor.early.has_value());
    CHECK(visitor.refused_by == nullptr);
}
