// Turns of the management connections on the thread that serves the visitors.
#pragma once

#include <chrono>
#include <list>
#include <optional>

#include "common/base/asio.hpp"

namespace tunnel {

// One connection at a time works, in the order in which they asked, and between two turns the
// thread does everything else that is ready. After each turn there is a pause that grows with the
// processor time that the turn took, so that all management connections together leave most of the
// thread's time to the visitors, whatever they ask and however many they are.
class ManagementTurns {
public:
    // Of the thread's time, one part in so many is for management.
    static constexpr int parts = 4;

    // A pause is no longer, however long the turn was.
    static constexpr std::chrono::milliseconds longest_pause{100};

    explicit ManagementTurns(asio::any_io_executor executor) : executor_(std::move(executor)) {}

    ManagementTurns(const ManagementTurns&) = delete;
    ManagementTurns& operator=(const ManagementTurns&) = delete;

    // Returns when it is the caller's turn, after everything else that is ready has run. The turn
    // lasts until over() is called. Throws std::system_error if the caller is cancelled.
    awaitable<void> next();

    // Ends the turn: its holder is about to wait for something.
    void over() { over(Clock::now()); }

private:
    using Waiting = std::list<Timer*>;

    class Place;

    void over(Clock::time_point now);

    asio::any_io_executor executor_;
    Waiting waiting_;
    // The thread's processor time when the turn began that somebody has: what the clock says would
    // grow while others have the core, and keep clients waiting longer than visitors gain by it.
    std::optional<std::chrono::nanoseconds> began_;
    Clock::time_point free_at_; // the next turn begins here at the earliest
};

} // namespace tunnel
