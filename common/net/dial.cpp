#include "common/net/dial.hpp"

#include <algorithm>
#include <list>
#include <memory>
#include <optional>

#include "common/error.hpp"
#include "common/net/socket.hpp"

namespace tunnel {

namespace {

// RFC 8305, section 5: "Connection Attempt Delay".
constexpr auto attempt_delay = std::chrono::milliseconds(250);

// The attempts of one dial. Shared with the handlers of its connects: those that are cancelled
// still come, after the coroutine that dials has gone on.
struct Race {
    explicit Race(const asio::any_io_executor& executor) : changed(executor) {}

    Signal changed;
    std::list<tcp::socket> attempts;
    int running = 0;
    Clock::time_point next_start; // of the attempt after those that were started
    std::optional<tcp::socket> winner;
    std::error_code first_failure;

    void failed(std::error_code error)
    {
        next_start = Clock::now();
        if (!first_failure)
            first_failure = error;
    }
};

// Ends the attempts that are no longer wanted, however the dial ends.
struct EndOfRace {
    Race& race;

    ~EndOfRace()
    {
        for (tcp::socket& attempt : race.attempts) {
            std::error_code ignored;
            attempt.close(ignored);
        }
    }
};

void start_attempt(const std::shared_ptr<Race>& race, const asio::any_io_executor& executor,
                   const tcp::endpoint& endpoint)
{
    std::error_code error;
    tcp::socket& socket = race->attempts.emplace_back(executor);
    socket.open(endpoint.protocol(), error);
    if (error) {
        race->failed(error);
        return;
    }
    ++race->running;
    socket.async_connect(endpoint, [race, &socket](std::error_code result) {
        --race->running;
        if (result)
            race->failed(result);
        else if (!race->winner)
            race->winner = std::move(socket);
        race->changed.notify();
    });
}

} // namespace

std::vector<tcp::endpoint> interleave(const std::vector<tcp::endpoint>& endpoints)
{
    std::vector<tcp::endpoint> first;
    std::vector<tcp::endpoint> second;
    for (const tcp::endpoint& endpoint : endpoints) {
        const bool leads = endpoint.protocol() == endpoints.front().protocol();
        (leads ? first : second).push_back(endpoint);
    }
    std::vector<tcp::endpoint> ordered;
    for (std::size_t i = 0; i < std::max(first.size(), second.size()); ++i) {
        if (i < first.size())
            ordered.push_back(first[i]);
        if (i < second.size())
            ordered.push_back(second[i]);
    }
    return ordered;
}

awaitable<tcp::socket> dial(std::vector<tcp::endpoint> endpoints, Clock::duration limit)
{
    const auto executor = co_await asio::this_coro::executor;
    const auto race = std::make_shared<Race>(executor);
    const EndOfRace end_of_race{*race};
    const auto deadline = Clock::now() + limit;
    const std::vector<tcp::endpoint> ordered = interleave(endpoints);
    std::size_t started = 0;
    while (!race->winner) {
        const auto now = Clock::now();
        if (now >= deadline)
            fail(make_error_code(std::errc::timed_out), "dial");
        if (started < ordered.size() && (race->running == 0 || now >= race->next_start)) {
            race->next_start = now + attempt_delay;
            start_attempt(race, executor, ordered[started++]);
            continue;
        }
        if (race->running == 0)
            fail(race->first_failure ? race->first_failure : make_error_code(Errc::cannot_resolve),
                 "dial");
        const bool another = started < ordered.size();
        co_await race->changed.wait_until(another ? std::min(deadline, race->next_start)
                                                  : deadline);
    }
    co_return std::move(*race->winner);
}

} // namespace tunnel
