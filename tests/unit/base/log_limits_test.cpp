#include "common/base/log_limits.hpp"

#include <algorithm>
#include <string>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "tests/unit/captured.hpp"

using namespace std::chrono_literals;
using namespace tunnel::log;

namespace {

using Time = Limits::Clock::time_point;

const Time noon = Time() + 12h;

bool take(Limits& limits, Fields fields, Time now, std::string_view message = "m")
{
    return limits.take(Level::warn, message, fields, peer_of(fields), now).has_value();
}

// How many of so many lines at once are written.
int taken_of(int count, Limits& limits, Fields fields, Time now = noon)
{
    int taken = 0;
    for (int i = 0; i < count; ++i)
        taken += int(take(limits, fields, now));
    return taken;
}

} // namespace

TEST_CASE("a peer is known by its proved name, else by its address without the port")
{
    CHECK(peer_of({{"origin", "192.0.2.1:80"}, {"name", "cellar"}}) == "cellar");
    CHECK(peer_of({{"origin", "192.0.2.1:80"}, {"name", ""}}) == "192.0.2.1");
    CHECK(peer_of({{"peer", "[2001:db8::1]:443"}}) == "[2001:db8::1]");
    CHECK(peer_of({{"remote", "proxy.example:9001"}}) == "proxy.example");
    CHECK(peer_of({{"visitor", "unix"}}) == "unix");
    CHECK(peer_of({{"service", "web"}, {"server", "127.0.0.1:80"}}) == "web");
    CHECK(peer_of({{"service", "web"}, {"remote", "192.0.2.1:1"}}) == "192.0.2.1");
    CHECK(peer_of({{"reason", "x"}}) == "");
    CHECK(peer_of({}) == "");
}

TEST_CASE("a peer gets some lines at once and then a few, and the next says how many are missing")
{
    Limits limits;
    const int at_once = taken_of(10'000, limits, {{"peer", "192.0.2.1:80"}});
    CHECK(at_once >= 20);
    CHECK(at_once <= 200);
    int later = 0;
    std::uint64_t missing = 0;
    for (int second = 1; second <= 600; ++second) {
        for (int i = 0; i < 100; ++i) {
            const auto left_out = limits.take(Level::warn, "m", {{"peer", "192.0.2.1:81"}},
                                              "192.0.2.1", noon + second * 1s);
            later += int(left_out.has_value());
            missing += left_out.value_or(0);
        }
    }
    CHECK(later >= 60); // it never falls silent
    CHECK(later <= 600);
    for (const auto& each : limits.collect(std::nullopt))
        missing += each.lines;
    CHECK(missing == 10'000u + 60'000u - static_cast<unsigned>(at_once + later));
}

TEST_CASE("long lines cost more than short ones, and bytes that are escaped four times as much")
{
    Limits limits;
    const std::string plain(1000, 'x');
    const std::string escaped(1000, '\xff');
    const int short_ones = taken_of(1000, limits, {{"peer", "a"}});
    const int long_ones = taken_of(1000, limits, {{"peer", "b"}, {"notice", plain}});
    const int longest = taken_of(1000, limits, {{"peer", "c"}, {"notice", escaped}});
    CHECK(short_ones > 5 * long_ones);
    CHECK(long_ones > 2 * longest);
    CHECK(longest >= 1);
    // A huge text is cut, so that it is no more than one of the longest.
    CHECK(take(limits, {{"peer", "d"}, {"notice", std::string(10'000'000, '\xff')}}, noon));
    CHECK(take(limits, {{"peer", "d"}}, noon + 1s));
}

TEST_CASE("peers and messages do not take each other's budget")
{
    Limits limits;
    taken_of(1000, limits, {{"name", "loud"}});
    CHECK_FALSE(take(limits, {{"name", "loud"}}, noon));
    CHECK(take(limits, {{"name", "quiet"}}, noon));
    CHECK(take(limits, {{"name", "loud"}}, noon, "another message"));
    CHECK(take(limits, {}, noon));
}

TEST_CASE("a peer may have a line for each of a thousand services")
{
    Limits limits;
    int taken = 0;
    for (int i = 0; i < 1000; ++i)
        taken += int(
            take(limits, {{"service", fmt::format("service-{}", i)}, {"name", "cellar"}}, noon));
    CHECK(taken == 1000);
    CHECK(taken_of(100'000, limits, {{"service", "s"}, {"name", "cellar"}}) < 8000);
}

TEST_CASE("what was left out is told ten seconds later, if no line of that kind comes")
{
    Limits limits;
    CHECK_FALSE(limits.due());
    const int at_once = taken_of(1000, limits, {{"name", "loud"}});
    REQUIRE(limits.due() == noon + 10s);
    CHECK(limits.collect(noon + 9s).empty());
    const auto told = limits.collect(noon + 10s);
    REQUIRE(told.size() == 1);
    CHECK(told[0].message == "m");
    CHECK(told[0].peer == "loud");
    CHECK(told[0].lines == 1000u - static_cast<unsigned>(at_once));
    CHECK_FALSE(limits.due());
    CHECK(limits.collect(std::nullopt).empty());
}

TEST_CASE("however many peers there are, the table and what is told of them are bounded")
{
    Limits limits;
    int taken = 0;
    for (int i = 0; i < 200'000; ++i) {
        const std::string peer = fmt::format("[2001:db8::{:x}]:80", i);
        taken += int(take(limits, {{"peer", peer}}, noon + i * 100us));
    }
    CHECK(limits.size() <= 4096);
    CHECK(taken >= 2000);
    CHECK(taken <= 20'000); // in 20 seconds
    const auto told = limits.collect(std::nullopt);
    CHECK(told.size() <= 21);
    std::uint64_t lines = 0;
    for (const auto& each : told)
        lines += each.lines;
    CHECK(lines > 0);
    // Peers of before are forgotten, and there is room for new ones.
    CHECK(taken_of(1, limits, {{"peer", "late"}}, noon + 1h) == 1);
    CHECK(limits.size() <= 1);
}

TEST_CASE("any line that names a peer is limited, of whatever level, unless it says that it is not")
{
    const auto lines = [](const auto& write) {
        const std::string text = tunnel::test::log_of([&] {
            for (int i = 0; i < 3000; ++i)
                write();
        });
        return std::ranges::count(text, '\n');
    };
    CHECK(lines([] { warn("w", {{"peer", "192.0.2.1:1"}}); }) < 200);
    CHECK(lines([] { error("e", {{"origin", "192.0.2.1:1"}}); }) < 200);
    CHECK(lines([] { warn("w"); }) < 400);
    CHECK(lines([] { warn("w", {{"peer", "192.0.2.1:1"}}, Limit::none); }) == 3000);
    CHECK(lines([] { warn_or_info("v", {{"peer", "192.0.2.1:1"}}, "web"); }) < 200);
}

TEST_CASE("a field may tell whose budget a line uses up, whatever name stands in it")
{
    Limits limits;
    int taken = 0;
    for (int i = 0; i < 3000; ++i) {
        const std::string name = fmt::format("roof/machine-{}", i);
        Field field("name", name);
        field.peer = "roof";
        taken += int(take(limits, {field}, noon));
    }
    CHECK(taken < 200);
    CHECK(limits.size() == 1);
}
