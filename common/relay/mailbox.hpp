// What other threads want of a worker.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "common/base/fd.hpp"
#include "common/relay/pair.hpp"

namespace tunnel {

// Takes pairs and wishes from any thread, and wakes the worker if it sleeps.
class Mailbox {
public:
    using Which = std::function<bool(const Pair& pair)>;

    struct News {
        std::vector<std::unique_ptr<Pair>> arrived;
        std::vector<Which> to_end;
        bool stop = false;
    };

    // Throws std::system_error if the system grants no descriptor.
    Mailbox();

    // Becomes readable when the worker is to wake up; then it calls woken().
    int descriptor() const { return wake_up_.get(); }

    void woken();

    // ---- From any thread

    // False, and the pair stays where it is: the worker has been stopped.
    bool put(std::unique_ptr<Pair>& pair);
    void end(Which which);
    void stop();
    bool is_stopped();

    // For nothing but to see whether it does.
    void wake();

    // ---- From the worker

    bool has_news() const { return has_news_; }

    News take();

    // Between the two it is woken for news. It must look for news once more after the first.
    void falls_asleep() { asleep_ = true; }

    void is_awake() { asleep_ = false; }

private:
    void wake_if_asleep();

    Fd wake_up_; // an eventfd
    std::mutex mutex_;
    News news_;                          // guarded by the mutex
    std::atomic<bool> has_news_ = false; // written under the mutex
    std::atomic<bool> asleep_ = false;
};

} // namespace tunnel
