#include <doctest/doctest.h>

#include <vector>

#include "remote-proxy/control/failed_log_ins.hpp"
#include "tests/unit/visitors.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

asio::ip::address ip(const char* text)
{
    return asio::ip::make_address(text);
}

const asio::ip::address stranger = ip("192.0.2.1");

void fail(FailedLogIns& log_ins, int times, Clock::time_point now = noon,
          const asio::ip::address& address = stranger)
{
    for (int i = 0; i < times; ++i)
        (void)log_ins.failed(address, now);
}

} // namespace

TEST_CASE("the first three failures within a minute are answered at once, then ever more slowly")
{
    FailedLogIns log_ins;
    std::vector<Clock::duration> delays;
    for (int i = 0; i < 12; ++i)
        delays.push_back(log_ins.failed(stranger, noon + i * 1s));
    CHECK((delays ==
           std::vector<Clock::duration>{0s, 0s, 0s, 250ms, 500ms, 1s, 2s, 4s, 4s, 4s, 4s, 4s}));
}

TEST_CASE("an address that fails ten times within a minute is blocked for a minute after that")
{
    FailedLogIns log_ins;
    CHECK(log_ins.blocked_for(stranger, noon) == 0s);
    fail(log_ins, 9);
    CHECK(log_ins.blocked_for(stranger, noon + 59s) == 0s);
    fail(log_ins, 1, noon + 59s);
    CHECK(log_ins.blocked_for(stranger, noon + 59s) == 1min);
    CHECK(log_ins.blocked_for(stranger, noon + 77s) == 42s);
    CHECK(log_ins.blocked_for(stranger, noon + 59s + 1min - 1ms) > 0s);
    CHECK(log_ins.blocked_for(stranger, noon + 59s + 1min) == 0s);
    CHECK(log_ins.blocked_for(ip("192.0.2.2"), noon + 59s) == 0s);
}

TEST_CASE("one that was blocked begins anew")
{
    FailedLogIns log_ins;
    fail(log_ins, 10);
    CHECK(log_ins.failed(stranger, noon + 1min) == 0s);
    CHECK(log_ins.blocked_for(stranger, noon + 1min) == 0s);
}

TEST_CASE("failures that are under way while the address is blocked prolong that")
{
    FailedLogIns log_ins;
    fail(log_ins, 10);
    fail(log_ins, 1, noon + 5s);
    CHECK(log_ins.blocked_for(stranger, noon + 64s) > 0s);
    CHECK(log_ins.blocked_for(stranger, noon + 65s) == 0s);
}

TEST_CASE("failures count for a minute each")
{
    FailedLogIns log_ins;
    for (int i = 0; i < 100; ++i) { // nine within any minute, for ever
        CHECK(log_ins.failed(stranger, noon + i * 7s) <= 4s);
        CHECK(log_ins.blocked_for(stranger, noon + i * 7s) == 0s);
    }
    FailedLogIns rare;
    for (int i = 0; i < 100; ++i) // three
        CHECK(rare.failed(stranger, noon + i * 20s) == 0s);
    CHECK(rare.failed(stranger, noon + 99 * 20s + 1s) == 250ms);
}

TEST_CASE("a success makes the failures forgotten")
{
    FailedLogIns log_ins;
    fail(log_ins, 9);
    log_ins.succeeded(stranger);
    CHECK(log_ins.remembered() == 0);
    CHECK(log_ins.failed(stranger, noon) == 0s);
    log_ins.succeeded(ip("192.0.2.2")); // who has never failed
    CHECK(log_ins.remembered() == 1);
}

TEST_CASE("IPv4 over a dual-stack socket is IPv4, and 64 bits of IPv6 are one address")
{
    FailedLogIns log_ins;
    fail(log_ins, 10, noon, ip("::ffff:192.0.2.1"));
    CHECK(log_ins.blocked_for(stranger, noon) > 0s);
    fail(log_ins, 5, noon, ip("2001:db8::1"));
    fail(log_ins, 5, noon, ip("2001:db8::2"));
    CHECK(log_ins.blocked_for(ip("2001:db8::3"), noon) > 0s);
    CHECK(log_ins.blocked_for(ip("2001:db8:0:1::3"), noon) == 0s);
}

TEST_CASE("loopback and trusted networks are slowed and never blocked")
{
    auto trusted = loopback_networks();
    trusted.push_back(parse_cidr("198.51.100.0/24"));
    FailedLogIns log_ins(trusted);
    for (const auto address : {"127.0.0.1", "::1", "198.51.100.7"}) {
        fail(log_ins, 100, noon, ip(address));
        CHECK(log_ins.blocked_for(ip(address), noon) == 0s);
        CHECK(log_ins.failed(ip(address), noon) == 4s);
    }
}

TEST_CASE("networks that are trusted from now on are not blocked any more, and others are")
{
    FailedLogIns log_ins({parse_cidr("198.51.100.0/24")});
    fail(log_ins, 10, noon, ip("192.0.2.1"));
    fail(log_ins, 10, noon, ip("198.51.100.7"));
    log_ins.trust({parse_cidr("192.0.2.0/24")});
    CHECK(log_ins.blocked_for(ip("192.0.2.1"), noon) == 0s);
    CHECK(log_ins.blocked_for(ip("198.51.100.7"), noon) > 0s);
}

TEST_CASE("addresses that failed long ago take no memory")
{
    FailedLogIns log_ins;
    for (unsigned i = 0; i < 1000; ++i)
        fail(log_ins, 1, noon, asio::ip::address_v4(0x0a000000 + i));
    CHECK(log_ins.remembered() == 1000);
    fail(log_ins, 500, noon + 1min);
    CHECK(log_ins.remembered() == 1);
}

TEST_CASE("of too many addresses the one that failed longest ago is forgotten")
{
    FailedLogIns log_ins(loopback_networks(), 2);
    fail(log_ins, 10, noon, ip("192.0.2.1"));
    fail(log_ins, 10, noon + 1s, ip("192.0.2.2"));
    fail(log_ins, 1, noon + 2s, ip("192.0.2.1"));
    fail(log_ins, 10, noon + 3s, ip("192.0.2.3"));
    CHECK(log_ins.remembered() == 2);
    CHECK(log_ins.blocked_for(ip("192.0.2.1"), noon + 3s) > 0s);
    CHECK(log_ins.blocked_for(ip("192.0.2.2"), noon + 3s) == 0s);
    CHECK(log_ins.blocked_for(ip("192.0.2.3"), noon + 3s) > 0s);
}
