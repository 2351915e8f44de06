// How long a thread that serves many connections works on one of them at a time.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tunnel {

// The turns of one thread since the last query.
struct ThreadTurns {
    std::string thread; // "control", or "relay-1"
    std::chrono::nanoseconds longest{};
    std::chrono::nanoseconds longest_cpu{}; // processor time alone: without waiting for a core
    std::uint64_t over_limit = 0;           // turns longer than TurnWatch::limit, since the start
};

// A turn makes all other connections of its thread wait, so a long turn is a fault, and is logged.
// Only the watched thread may call note(), note_with_sleep() and woke().
class TurnWatch {
public:
    using Clock = std::chrono::steady_clock;

    // A longer turn is logged.
    static constexpr std::chrono::milliseconds limit{100};

    // The shortest time between two lines; a line says how many turns were left out before it.
    static constexpr std::chrono::seconds between_lines{10};

    explicit TurnWatch(std::string thread) : thread_(std::move(thread)) {}

    TurnWatch(const TurnWatch&) = delete;
    TurnWatch& operator=(const TurnWatch&) = delete;

    // A turn has ended. Called for every byte: no system call unless the turn took milliseconds, or
    // milliseconds have passed since the last one.
    void note(Clock::time_point began, Clock::time_point ended)
    {
        if (ended - began >= noticeable)
            note_long(began, ended, ended - began);
        else if (const auto took = count(ended - began); took > longest_.load(relaxed))
            longest_.store(took, relaxed);
        if (ended - cpu_read_at_ >= noticeable)
            read_cpu(ended);
    }

    // A turn has ended in which the thread may have slept; only its processor time counts.
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

    // What has been noted; the longest turns are forgotten by that. From any thread.
    ThreadTurns take();

private:
    using Count = std::chrono::nanoseconds::rep;

    static constexpr auto relaxed = std::memory_order_relaxed;

    // Turns that take at least so long have their processor time read.
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

// The turns of several threads.
using AllTurns = std::vector<ThreadTurns>;

} // namespace tunnel
