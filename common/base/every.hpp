// Calls a function periodically.
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "common/base/asio.hpp"

namespace tunnel {

// Calls a function from `io` until this is destroyed: first after one interval, then each time that
// an interval has passed since the last call returned.
class Every {
public:
    Every(asio::io_context& io, Clock::duration interval, std::function<void()> function)
        : interval_(interval), function_(std::move(function)), timer_(io)
    {
        wait();
    }

    Every(const Every&) = delete;
    Every& operator=(const Every&) = delete;
    ~Every() = default;

private:
    void wait()
    {
        timer_.expires_after(interval_);
        timer_.async_wait([this, alive = std::weak_ptr(alive_)](std::error_code error) {
            // The timer may have fired before this was destroyed.
            if (error || alive.expired())
                return;
            function_();
            wait();
        });
    }

    Clock::duration interval_;
    std::function<void()> function_;
    std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
    Timer timer_;
};

} // namespace tunnel
