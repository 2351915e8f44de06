#include <doctest/doctest.h>

#include <vector>

#include "remote-proxy/visitors/visitor_limits.hpp"
#include "tests/unit/visitors.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

using Permit = VisitorLimits::Permit;

asio::ip::address ip(const char* text)
{
    return asio::ip::make_address(text);
}

// Visitors who come and stay.
struct Gate {
    explicit Gate(const VisitorRules& rules, std::size_t capacity = VisitorLimits::most_remembered)
        : limits(rules, capacity)
    {
    }

    // Why the visitor is refused; nullopt: it is in.
    std::optional<Refusal> visit(const asio::ip::address& address, Clock::time_point now = noon)
    {
        auto answer = limits.admit(address, now);
        if (const auto* const refusal = std::get_if<Refusal>(&answer))
            return *refusal;
        permits.push_back(std::move(std::get<Permit>(answer)));
        return std::nullopt;
    }

    std::optional<Refusal> visit(const char* address, Clock::time_point now = noon)
    {
        return visit(ip(address), now);
    }

    VisitorLimits limits;
    std::vector<Permit> permits;
};

} // namespace

TEST_CASE("without rules everybody may visit, and nothing is remembered of them")
{
    Gate gate{VisitorRules()};
    for (int i = 0; i < 1000; ++i)
        CHECK(gate.visit("192.0.2.1") == std::nullopt);
    CHECK(gate.limits.present() == 1000);
    CHECK(gate.limits.remembered() == 0);
}

TEST_CASE("who is in a denied network is refused, and nobody else")
{
    VisitorRules rules;
    rules.deny = {parse_cidr("192.0.2.0/24"), parse_cidr("2001:db8::/32")};
    Gate gate{rules};
    CHECK(gate.visit("192.0.2.7") == Refusal::denied);
    CHECK(gate.visit("::ffff:192.0.2.7") == Refusal::denied);
    CHECK(gate.visit("2001:db8::7") == Refusal::denied);
    CHECK(gate.visit("192.0.3.7") == std::nullopt);
    CHECK(gate.visit("2001:db9::7") == std::nullopt);
    CHECK(gate.limits.present() == 2);
}

TEST_CASE("where some networks are allowed all others are refused")
{
    VisitorRules rules;
    rules.allow = {parse_cidr("192.0.2.0/24"), parse_cidr("198.51.100.1")};
    Gate gate{rules};
    CHECK(gate.visit("192.0.2.7") == std::nullopt);
    CHECK(gate.visit("::ffff:192.0.2.7") == std::nullopt);
    CHECK(gate.visit("198.51.100.1") == std::nullopt);
    CHECK(gate.visit("198.51.100.2") == Refusal::not_allowed);
    CHECK(gate.visit("2001:db8::1") == Refusal::not_allowed);
}

TEST_CASE("who is denied stays out, whatever is allowed")
{
    VisitorRules rules;
    rules.allow = {parse_cidr("10.0.0.0/8"), parse_cidr("10.1.0.1")};
    rules.deny = {parse_cidr("10.1.0.0/16")};
    Gate gate{rules};
    CHECK(gate.visit("10.2.0.1") == std::nullopt);
    CHECK(gate.visit("10.1.0.1") == Refusal::denied);
}

TEST_CASE("loopback and trusted networks are not above allow and deny")
{
    VisitorRules rules;
    rules.trusted.push_back(parse_cidr("192.0.2.0/24"));
    rules.deny = {parse_cidr("192.0.2.1"), parse_cidr("::1")};
    rules.allow = {parse_cidr("192.0.2.0/24"), parse_cidr("::1")};
    Gate gate{rules};
    CHECK(gate.visit("192.0.2.1") == Refusal::denied);
    CHECK(gate.visit("::1") == Refusal::denied);
    CHECK(gate.visit("127.0.0.1") == Refusal::not_allowed);
}

TEST_CASE("so many may be there at once, from wherever they come, and when one leaves another may")
{
    VisitorRules rules;
    rules.max_connections = 3;
    Gate gate{rules};
    for (const auto address : {"192.0.2.1", "2001:db8::1", "127.0.0.1"})
        CHECK(gate.visit(address) == std::nullopt);
    CHECK(gate.visit("192.0.2.2") == Refusal::too_many);
    CHECK(gate.visit("127.0.0.1") == Refusal::too_many);
    gate.permits.erase(gate.permits.begin());
    CHECK(gate.limits.present() == 2);
    CHECK(gate.visit("192.0.2.2") == std::nullopt);
    CHECK(gate.visit("192.0.2.2") == Refusal::too_many);
}

TEST_CASE("so many of one address may be there at once, and others are not affected")
{
    VisitorRules rules;
    rules.max_connections_per_ip = 2;
    Gate gate{rules};
    for (int i = 0; i < 2; ++i)
        CHECK(gate.visit("192.0.2.1") == std::nullopt);
    CHECK(gate.visit("192.0.2.1") == Refusal::too_many_per_ip);
    CHECK(gate.visit("::ffff:192.0.2.1") == Refusal::too_many_per_ip);
    CHECK(gate.visit("192.0.2.2") == std::nullopt);
    gate.permits.erase(gate.permits.begin());
    CHECK(gate.visit("192.0.2.1") == std::nullopt);
    CHECK(gate.visit("192.0.2.1") == Refusal::too_many_per_ip);
}

TEST_CASE("the addresses of an IPv6 network of 64 bits share their limits")
{
    VisitorRules rules;
    SUBCASE("of those who are there")
    {
        rules.max_connections_per_ip = 2;
    }
    SUBCASE("of those who come")
    {
        rules.max_new_per_second_per_ip = 2;
    }
    Gate gate{rules};
    CHECK(gate.visit("2001:db8::1") == std::nullopt);
    CHECK(gate.visit("2001:db8::2") == std::nullopt);
    CHECK(gate.visit("2001:db8::ffff:3") != std::nullopt);
    CHECK(gate.visit("2001:db8:0:1::1") == std::nullopt);
}

TEST_CASE("an address is remembered while somebody from it is there, and no longer")
{
    VisitorRules rules;
    rules.max_connections_per_ip = 2;
    Gate gate{rules};
    for (const auto address : {"192.0.2.1", "192.0.2.1", "192.0.2.2"})
        gate.visit(address);
    CHECK(gate.limits.remembered() == 2);
    gate.permits.erase(gate.permits.begin());
    CHECK(gate.limits.remembered() == 2);
    gate.permits.clear();
    CHECK(gate.limits.remembered() == 0);
    CHECK(gate.limits.present() == 0);
}

TEST_CASE("so many of one address may come at once, and as many in each second after that")
{
    VisitorRules rules;
    rules.max_new_per_second_per_ip = 4;
    Gate gate{rules};
    for (int i = 0; i < 4; ++i)
        CHECK(gate.visit("192.0.2.1") == std::nullopt);
    CHECK(gate.visit("192.0.2.1") == Refusal::too_many_new_per_ip);
    CHECK(gate.visit("192.0.2.2") == std::nullopt);
    CHECK(gate.visit("192.0.2.1", noon + 249ms) == Refusal::too_many_new_per_ip);
    CHECK(gate.visit("192.0.2.1", noon + 250ms) == std::nullopt);
    CHECK(gate.visit("192.0.2.1", noon + 251ms) == Refusal::too_many_new_per_ip);
    int served = 0;
    for (auto time = noon + 252ms; time <= noon + 10s; time += 1ms)
        served += gate.visit("192.0.2.1", time) == std::nullopt ? 1 : 0;
    CHECK(served == 39);
    for (int i = 0; i < 5; ++i) // after a second of silence
        CHECK((gate.visit("192.0.2.1", noon + 11s) == std::nullopt) == (i < 4));
}

TEST_CASE("one a second is one a second, and a million are a million")
{
    VisitorRules rules;
    rules.max_new_per_second_per_ip = 1;
    Gate slow{rules};
    CHECK(slow.visit("192.0.2.1") == std::nullopt);
    CHECK(slow.visit("192.0.2.1", noon + 999ms) == Refusal::too_many_new_per_ip);
    CHECK(slow.visit("192.0.2.1", noon + 1s) == std::nullopt);
    rules.max_new_per_second_per_ip = 1'000'000;
    Gate fast{rules};
    for (int i = 0; i < 1000; ++i)
        REQUIRE(fast.visit("192.0.2.1") == std::nullopt);
}

TEST_CASE("leaving does not give back that one has come, and a refusal does not count as coming")
{
    VisitorRules rules;
    rules.max_new_per_second_per_ip = 2;
    rules.max_connections_per_ip = 1;
    Gate gate{rules};
    CHECK(gate.visit("192.0.2.1") == std::nullopt);
    for (int i = 0; i < 10; ++i)
        CHECK(gate.visit("192.0.2.1") == Refusal::too_many_per_ip);
    gate.permits.clear();
    CHECK(gate.visit("192.0.2.1") == std::nullopt);
    gate.permits.clear();
    CHECK(gate.visit("192.0.2.1") == Refusal::too_many_new_per_ip);
}

TEST_CASE("the limits per address do not apply to loopback and trusted networks")
{
    VisitorRules rules;
    rules.max_connections_per_ip = 1;
    rules.max_new_per_second_per_ip = 1;
    rules.trusted.push_back(parse_cidr("192.0.2.0/24"));
    Gate gate{rules};
    for (const auto address : {"127.0.0.1", "::1", "::ffff:127.0.0.1", "192.0.2.9"}) {
        for (int i = 0; i < 10; ++i)
            CHECK(gate.visit(address) == std::nullopt);
    }
    CHECK(gate.limits.remembered() == 0);
    CHECK(gate.visit("198.51.100.1") == std::nullopt);
    CHECK(gate.visit("198.51.100.1") == Refusal::too_many_per_ip);
}

TEST_CASE("addresses that came are forgotten within a second, without a long clearing")
{
    VisitorRules rules;
    rules.max_new_per_second_per_ip = 5;
    Gate gate{rules};
    for (unsigned i = 0; i < 1000; ++i)
        CHECK(gate.visit(asio::ip::address_v4(0x0a000000 + i)) == std::nullopt);
    CHECK(gate.limits.remembered() == 1000);
    for (unsigned i = 0; i < 1000; ++i)
        gate.visit("192.0.2.1", noon + 1s + i * 200ms);
    CHECK(gate.limits.remembered() == 1);
}

TEST_CASE("of too many addresses the one that was let in longest ago is forgotten")
{
    VisitorRules rules;
    rules.max_new_per_second_per_ip = 1;
    Gate gate{rules, 2};
    CHECK(gate.visit("192.0.2.1") == std::nullopt);
    CHECK(gate.visit("192.0.2.2", noon + 1ms) == std::nullopt);
    CHECK(gate.visit("192.0.2.3", noon + 2ms) == std::nullopt);
    CHECK(gate.limits.remembered() == 2);
    CHECK(gate.visit("192.0.2.2", noon + 3ms) == Refusal::too_many_new_per_ip);
    CHECK(gate.visit("192.0.2.1", noon + 3ms) == std::nullopt);
}

TEST_CASE("a place counts once, however it is moved")
{
    VisitorRules rules;
    rules.max_connections_per_ip = 5;
    Gate gate{rules};
    gate.visit("192.0.2.1");
    gate.visit("192.0.2.2");
    Permit moved = std::move(gate.permits[0]);
    gate.permits[0] = Permit();
    CHECK(gate.limits.present() == 2);
    moved = std::move(gate.permits[1]); // the first one leaves by that
    CHECK(gate.limits.present() == 1);
    gate.permits.clear();
    CHECK(gate.limits.present() == 1);
    moved = Permit();
    CHECK(gate.limits.present() == 0);
    CHECK(gate.limits.remembered() == 0);
}

TEST_CASE("a visitor may leave after the limits are gone")
{
    std::optional<Gate> gate{VisitorRules()};
    gate->visit("192.0.2.1");
    const Permit last = std::move(gate->permits.back());
    gate.reset();
}

TEST_CASE("each refusal has its words")
{
    for (std::size_t i = 0; i < refusal_kinds; ++i)
        CHECK_FALSE(describe(static_cast<Refusal>(i)).empty());
    CHECK(describe(static_cast<Refusal>(refusal_kinds)).empty()); // so these are all
}
