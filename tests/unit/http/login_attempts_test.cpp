#include <doctest/doctest.h>

#include <random>

#include "remote-proxy/http/login_attempts.hpp"
#include "tests/unit/visitors.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

asio::ip::address at(const char* text)
{
    return asio::ip::make_address(text);
}

} // namespace

TEST_CASE("an address may try five passwords at once, and then one a second")
{
    LoginAttempts attempts;
    const auto one = at("192.0.2.1");
    for (int i = 0; i < 5; ++i) {
        CHECK(attempts.wait(one, noon) == 0s);
        attempts.count(one, noon);
    }
    CHECK(attempts.wait(one, noon) == 1s);
    CHECK(attempts.wait(one, noon + 300ms) == 700ms);
    CHECK(attempts.wait(one, noon + 1s) == 0s);
    attempts.count(one, noon + 1s);
    CHECK(attempts.wait(one, noon + 1s) == 1s);
    CHECK(attempts.wait(one, noon + 1h) == 0s);
    CHECK(attempts.wait(at("192.0.2.2"), noon) == 0s);
}

TEST_CASE("whatever the order, no address tries more than five and one a second")
{
    std::mt19937 random(1);
    LoginAttempts attempts;
    const auto one = at("192.0.2.1");
    auto now = noon;
    int tried = 0;
    for (int i = 0; i < 10'000; ++i) {
        now += std::chrono::milliseconds(random() % 400);
        if (attempts.wait(one, now) > 0s)
            continue;
        attempts.count(one, now);
        if (random() % 8 == 0)
            attempts.take_back(one);
        else
            ++tried;
    }
    CHECK(tried <= 5 + (now - noon) / 1s);
    CHECK(tried >= (now - noon) / 1s * 9 / 10);
}

TEST_CASE("a try that is taken back does not count")
{
    LoginAttempts attempts;
    const auto one = at("192.0.2.1");
    for (int i = 0; i < 100; ++i) {
        REQUIRE(attempts.wait(one, noon) == 0s);
        attempts.count(one, noon);
        attempts.take_back(one);
    }
}

TEST_CASE("the addresses of one IPv6 subscriber count as one")
{
    LoginAttempts attempts;
    for (int i = 0; i < 5; ++i)
        attempts.count(at("2001:db8::1"), noon);
    CHECK(attempts.wait(at("2001:db8::ffff"), noon) == 1s);
    CHECK(attempts.wait(at("2001:db8:0:1::1"), noon) == 0s);
}

TEST_CASE("only so many addresses are remembered, and one that was forgotten is not wrong")
{
    LoginAttempts attempts(1);
    attempts.count(at("192.0.2.1"), noon);
    attempts.count(at("192.0.2.2"), noon);
    attempts.take_back(at("192.0.2.1"));
    CHECK(attempts.wait(at("192.0.2.1"), noon) == 0s);
}
