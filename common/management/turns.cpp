#include "common/management/turns.hpp"

#include <algorithm>
#include <ctime>

namespace tunnel {

namespace {

std::chrono::nanoseconds cpu_of_the_thread()
{
    timespec used{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

} // namespace

// Of somebody who waits for a turn. When it ends, the next one is woken.
class ManagementTurns::Place {
public:
    Place(ManagementTurns& turns, Timer& timer)
        : turns_(turns), entry_(turns.waiting_.insert(turns.waiting_.end(), &timer))
    {
    }

    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

    ~Place()
    {
        const bool was_first = is_first();
        turns_.waiting_.erase(entry_);
        if (was_first && !turns_.waiting_.empty())
            turns_.waiting_.front()->cancel();
    }

    bool is_first() const { return entry_ == turns_.waiting_.begin(); }

private:
    ManagementTurns& turns_;
    Waiting::iterator entry_;
};

awaitable<void> ManagementTurns::next()
{
    over();
    Timer timer(executor_);
    const Place place(*this, timer);
    for (;;) {
        timer.expires_at(place.is_first() ? free_at_ : Clock::time_point::max());
        std::error_code woken; // by the one before, or it is time
        co_await timer.async_wait(redirect_error(use_awaitable, woken));
        const auto state = co_await asio::this_coro::cancellation_state;
        if (state.cancelled() != asio::cancellation_type::none)
            throw std::system_error(asio::error::operation_aborted);
        const auto now = Clock::now();
        over(now); // also if whoever had it waits for something without a word
        if (place.is_first() && now >= free_at_) {
            began_ = cpu_of_the_thread();
            co_return;
        }
    }
}

void ManagementTurns::over(Clock::time_point now)
{
    if (!began_)
        return;
    const Clock::duration rest = (parts - 1) * (cpu_of_the_thread() - *began_);
    free_at_ = now + std::min<Clock::duration>(rest, longest_pause);
    began_.reset();
}

} // namespace tunnel
