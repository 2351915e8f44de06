// A time limit for what is done with a socket.
#pragma once

#include <memory>

#include "common/base/asio.hpp"

namespace tunnel {

// Closes the socket when the time is up, unless it has been destroyed before. What waits for the
// socket then fails with operation_aborted.
class Deadline {
public:
    Deadline(tcp::socket& socket, Clock::duration limit)
        : target_(std::make_shared<tcp::socket*>(&socket)), timer_(socket.get_executor(), limit)
    {
        timer_.async_wait([target = target_](std::error_code error) {
            // The timer may have fired before it was cancelled.
            if (error || *target == nullptr)
                return;
            std::error_code ignored;
            (*target)->close(ignored);
            *target = nullptr;
        });
    }

    Deadline(const Deadline&) = delete;
    Deadline& operator=(const Deadline&) = delete;

    ~Deadline() { *target_ = nullptr; }

    // It has closed the socket.
    bool passed() const { return *target_ == nullptr; }

private:
    std::shared_ptr<tcp::socket*> target_; // null: the deadline is gone
    Timer timer_;
};

} // namespace tunnel
