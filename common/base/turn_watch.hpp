// How long a thread that serves many connections is busy with one thing at a time.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tunnel {

// The turns of one thread since they were last asked for.
struct ThreadTurns {
    std::string thread; // "control", or "relay-1"
    std::chrono::nanoseconds longest{};
    std::chrono::nanoseconds longest_cpu{}; // processor time alone: without waiting for a core
    std::uint64_t over_limit = 0;           // turns longer than TurnWatch::limit, since the start
};

// Every turn keeps all other connections of its thread waiting, so a turn that takes long is a
// fault, and is logged. Only the thread that is watched may call note(), note_with_sleep() and
// woke().
class TurnWatch {
public:
    using Clock = std::chrono::steady_clock;

    // A longer turn is logged.
    static constexpr std::chrono::milliseconds limit{100};

    // Lines are at least so far apart; the next one says how many turns were left out.
    static constexpr std::chrono::seconds between_lines{10};

    explicit TurnWatch(std::string thread) : thread_(std::move(thread)) {}

    TurnWatch(const TurnWatch&) = delete;
    TurnWatch& operator=(const TurnWatch&) = delete;

    // A turn is over. This is on the path of every byte: it costs no system call unless the turn
    // took milliseconds, or milliseconds have passed since the last one.
    void note(Clock::time_point began, Clock::time_point ended)
    {
        if (ended - began >= noticeable)
            note_long(began, ended, ended - began);
        else if (const auto took = count(ended - began); took > longest_.load(relaxed))
            longest_.store(took, relaxed);
        if (ended - cpu_read_at_ >= noticeable)
            read_cpu(ended);
    }

    // A turn is over before which the thread may have slept for an unknown part of the time. Its
    // processor time counts.
    void note_with_sleep(Clock::time_point began, Clock::time_point ended)
    {
        if (ended - began >= noticeable)
            note_long(began, ended, std::nullopt);
    }

    // The thread has slept until now.
    void woke(Clock::time_point now)
    {
        if (now - cpu_read_at_ >= noticeable)
            read_cpu(now);
    }

    // From any thread: what has been noted, of which the longest ones are forgotten.
    ThreadTurns take();

private:
    using Count = std::chrono::nanoseconds::rep;

    static constexpr auto relaxed = std::memory_order_relaxed;

    // Processor time is asked for about turns that take at least so long.
    static constexpr std::chrono::milliseconds noticeable{5};

    static Count count(Clock::duration duration)
    {
        return std::chrono::nanoseconds(duration).count();
    }

    void note_long(Clock::time_point began, Clock::time_point ended,
                   std::optional<Clock::duration> took);
    void read_cpu(Clock::time_point now);
    void log(Clock::duration took, Clock::duration cpu, Clock::time_point now);

    const std::string thread_;
    std::atomic<Count> longest_ = 0;
    std::atomic<Count> longest_cpu_ = 0;
    std::atomic<std::uint64_t> over_limit_ = 0;

    // The thread's processor time when it was last read.
    std::chrono::nanoseconds cpu_{};
    Clock::time_point cpu_read_at_;

    std::optional<Clock::time_point> last_line_;
    std::uint64_t left_out_ = 0;
    Clock::duration left_out_cpu_{}; // of the longest one
};

// Those of several threads.
using AllTurns = std::vector<ThreadTurns>;

} // namespace tunnel
