// A time limit for waits at a descriptor.
#pragma once

#include <memory>
#include <system_error>

#include "common/base/asio.hpp"

namespace tunnel {

// Cancels what waits for the descriptor when the time is up, unless this has been destroyed before.
// The descriptor stays open. Check it after each wait: another may not be cancelled.
class Limit {
public:
    Limit(asio::posix::stream_descriptor& socket, Clock::time_point limit)
        : target_(std::make_shared<asio::posix::stream_descriptor*>(&socket)),
          timer_(socket.get_executor(), limit)
    {
        timer_.async_wait([target = target_](std::error_code error) {
            // The timer may have fired before it was cancelled.
            if (error || *target == nullptr)
                return;
            std::error_code ignored;
            (*target)->cancel(ignored);
            *target = nullptr;
        });
    }

    Limit(const Limit&) = delete;
    Limit& operator=(const Limit&) = delete;

    ~Limit() { *target_ = nullptr; }

    // It has cancelled.
    bool passed() const { return *target_ == nullptr; }

    // Throws std::system_error: timed_out once it has passed, else `error`, what a wait ended with,
    // if that is one.
    void check(std::error_code error) const
    {
        if (passed())
            throw std::system_error(make_error_code(std::errc::timed_out));
        if (error)
            throw std::system_error(error);
    }

private:
    std::shared_ptr<asio::posix::stream_descriptor*> target_; // null: it has cancelled
    Timer timer_;
};

} // namespace tunnel
