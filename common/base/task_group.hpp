// Owns the coroutines it starts.
#pragma once

#include <list>
#include <string_view>

#include "common/base/asio.hpp"

namespace tunnel {

// Nothing in the programs is spawned any other way, so every failure is logged once and one
// cancel() reaches every coroutine. Run the io_context dry before the group is destroyed.
class TaskGroup {
public:
    explicit TaskGroup(asio::any_io_executor executor) : executor_(std::move(executor)) {}

    TaskGroup(const TaskGroup&) = delete;
    TaskGroup& operator=(const TaskGroup&) = delete;
    ~TaskGroup();

    // Starts `task`. If it ends with an exception other than that of cancel(), a warning is logged
    // that begins with `name`, which must be a string literal.
    void spawn(std::string_view name, awaitable<void> task);

    // Cancels every coroutine where it waits; they unwind when the io_context runs.
    void cancel();

    bool empty() const { return signals_.empty(); }

private:
    asio::any_io_executor executor_;
    std::list<asio::cancellation_signal> signals_;
};

} // namespace tunnel
