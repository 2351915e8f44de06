#include "common/base/turn_watch.hpp"

#include <algorithm>
#include <ctime>
#include <utility>

#include "common/base/log.hpp"

namespace tunnel {

namespace {

std::chrono::nanoseconds cpu_of_this_thread()
{
    timespec used{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

} // namespace

ThreadTurns TurnWatch::take()
{
    ThreadTurns turns{thread_};
    turns.longest = std::chrono::nanoseconds(longest_.exchange(0, relaxed));
    // Of turns too short to ask the system, this is as good.
    const auto short_ones = std::min<std::chrono::nanoseconds>(turns.longest, noticeable);
    turns.longest_cpu =
        std::max(short_ones, std::chrono::nanoseconds(longest_cpu_.exchange(0, relaxed)));
    turns.over_limit = over_limit_.load(relaxed);
    return turns;
}

// `took` is nullopt where only the processor time is known.
void TurnWatch::note_long(Clock::time_point began, Clock::time_point ended,
                          std::optional<Clock::duration> took)
{
    const auto used = cpu_of_this_thread() - cpu_;
    // The turn began a little after the time was last read. As if the thread had been busy until
    // then: what is said of the turn may be too little by that little, but never too much.
    const auto before = std::max<Clock::duration>(began - cpu_read_at_, Clock::duration::zero());
    const auto cpu = std::clamp<Clock::duration>(used - before, Clock::duration::zero(),
                                                 took.value_or(ended - began));
    read_cpu(ended);
    longest_.store(std::max(longest_.load(relaxed), count(took.value_or(cpu))), relaxed);
    longest_cpu_.store(std::max(longest_cpu_.load(relaxed), count(cpu)), relaxed);
    if (took.value_or(cpu) > limit)
        log(took.value_or(cpu), cpu, ended);
}

void TurnWatch::read_cpu(Clock::time_point now)
{
    cpu_ = cpu_of_this_thread();
    cpu_read_at_ = now;
}

void TurnWatch::log(Clock::duration took, Clock::duration cpu, Clock::time_point now)
{
    over_limit_.fetch_add(1, relaxed);
    if (last_line_ && now < *last_line_ + between_lines) {
        ++left_out_;
        left_out_cpu_ = std::max(left_out_cpu_, cpu);
        return;
    }
    last_line_ = now;
    log::warn("a thread was busy with one thing for so long that its other connections had to wait",
              {{"thread", thread_},
               {"turn", took},
               {"cpu", cpu},
               {"left-out", std::exchange(left_out_, 0)},
               {"left-out-cpu", std::exchange(left_out_cpu_, {})}});
}

} // namespace tunnel
