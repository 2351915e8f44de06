// When the origin proxy tries again, and what it says of it.
#include <doctest/doctest.h>

#include <string_view>

#include "common/protocol/goodbyes.hpp"
#include "origin-proxy/link/retry_policy.hpp"

using namespace std::chrono_literals;
using namespace tunnel;

namespace {

constexpr std::uint32_t longest_wait = UINT32_MAX; // of the random numbers
const Clock::time_point noon = Clock::time_point() + 12h;

RetryPolicy::End failed(std::string reason = "refused")
{
    return {false, {Code::connection_refused, std::move(reason)}, {}, 1ms};
}

RetryPolicy::End lost(Clock::duration lived, std::string goodbye = "")
{
    return {true, {Code::connection_lost, "reset"}, {Code::goodbye, std::move(goodbye)}, lived};
}

struct Policy : RetryPolicy {
    Policy() : RetryPolicy({100ms, 1s, 10s}) {}

    Decision after(const End& end, Clock::time_point now = noon)
    {
        return ended(end, std::nullopt, now, longest_wait);
    }

    bool gives_up(const End& end, std::uint32_t max_retries)
    {
        return !ended(end, max_retries, noon, longest_wait).retry_in;
    }
};

} // namespace

TEST_CASE("the wait before a retry doubles until a connection has lived for a while")
{
    Policy policy;
    for (const auto wait : {100ms, 200ms, 400ms, 800ms, 1000ms, 1000ms})
        CHECK(policy.after(failed()).retry_in == wait);
    policy.logged_in();
    CHECK(policy.after(lost(9s)).retry_in == 1000ms);
    policy.logged_in();
    CHECK(policy.after(lost(10s)).retry_in == 100ms);
    CHECK(policy.after(failed()).retry_in == 200ms);
    policy.retried_on_request();
    CHECK(policy.after(failed()).retry_in == 100ms);
}

TEST_CASE("an attempt that fails late is no healthy connection")
{
    Policy policy;
    policy.after(failed());
    CHECK(policy.after({false, {Code::timeout, "timed out"}, {}, 1h}).retry_in == 200ms);
}

TEST_CASE("retries are counted from the last log-in, and there may be none")
{
    Policy policy;
    CHECK(policy.gives_up(failed(), 0));
    policy.start_over();
    CHECK_FALSE(policy.gives_up(failed(), 2));
    policy.logged_in();
    CHECK_FALSE(policy.gives_up(lost(1s), 2));
    CHECK_FALSE(policy.gives_up(failed(), 2));
    CHECK(policy.gives_up(failed(), 2));
    policy.start_over();
    CHECK_FALSE(policy.gives_up(failed(), 2));
}

TEST_CASE("the last failure is an error, whatever was logged before")
{
    Policy policy;
    for (int i = 0; i < 10; ++i)
        policy.after(failed());
    const auto last = policy.ended(failed(), 0, noon, longest_wait);
    CHECK(last.level == log::Level::error);
    CHECK(last.message == "cannot log in to the remote proxy");
    CHECK(last.reason.text == "refused");
    policy.logged_in();
    CHECK(policy.ended(lost(1h), 0, noon, longest_wait).message == "lost the remote proxy");
}

TEST_CASE("failures that repeat themselves are details, and a log-in tells how many there were")
{
    Policy policy;
    const auto first = policy.after(failed());
    CHECK(first.level == log::Level::warn);
    CHECK(first.limit == log::Limit::by_peer);
    CHECK(first.failures == 1);
    const auto second = policy.after(failed(), noon + 1ms);
    CHECK(second.level == log::Level::debug);
    CHECK(second.limit == log::Limit::none);
    CHECK(second.failures == 2);
    CHECK(policy.after(failed("timed out"), noon + 2ms).level == log::Level::warn);
    CHECK(policy.after(failed(), noon + 2s).level == log::Level::warn);
    CHECK(policy.logged_in() == 4);
    CHECK(policy.logged_in() == 0);
    CHECK(policy.after(failed(), noon + 3s).failures == 1);
}

TEST_CASE("connections that are lost soon are counted for themselves until one lives for a while")
{
    Policy policy;
    const auto level = [&](Clock::duration lived) {
        policy.logged_in();
        return policy.after(lost(lived)).level;
    };
    for (int i = 0; i < 3; ++i)
        CHECK(level(1s) == log::Level::warn);
    CHECK(level(1s) == log::Level::debug);
    CHECK(level(10s) == log::Level::warn);
}

TEST_CASE("a remote proxy that says why it ends the connection is believed")
{
    Policy policy;
    const auto stopping = policy.after(lost(1h, std::string(remote_is_stopping)));
    CHECK(stopping.level == log::Level::info);
    CHECK(stopping.message == "remote proxy left");
    CHECK(stopping.reason.text == remote_is_stopping);
    const auto other = policy.after(lost(1h, "the secret is no longer good"));
    CHECK(other.level == log::Level::warn);
    CHECK(other.message == "lost the remote proxy");
    CHECK(other.reason.text == "the secret is no longer good");
}
