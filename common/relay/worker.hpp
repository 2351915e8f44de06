// One thread of the relay: its own loop, its own pairs, nothing shared with the others.
#pragma once

#include <deque>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include <sys/epoll.h>

#include "common/relay/pair.hpp"

namespace tunnel {

class Relay::Worker {
public:
    // `live` counts the pairs of the whole relay and must outlive the worker.
    Worker(const RelayOptions& options, std::atomic<std::size_t>& live);
    ~Worker();

    // From any thread. `live` has been raised for it already.
    void hand_over(std::unique_ptr<Pair> pair);

    // From any thread: pairs that it has, or is about to have.
    std::size_t load() const { return load_; }

    // From any thread: ends all pairs and the thread, and waits for it.
    void stop();

private:
    // Which socket of a pair an event is about travels in the lowest bit of the pair's address.
    static constexpr std::uintptr_t second_bit = 1;

    void run();
    int wait_for_events(std::span<epoll_event> events);
    void was_woken();
    bool take_inbox();
    void adopt(std::unique_ptr<Pair> pair);
    bool watch(int descriptor, std::uintptr_t tag);
    void on_event(std::uint64_t data, std::uint32_t events);
    void progress(Pair& pair);
    bool pump(Pair& pair, Direction& direction);
    void set_timer(Pair& pair);
    void expire_timers();
    void expire_start(Pair& pair);
    int until_next_timer() const; // milliseconds for epoll_wait, -1: for ever
    void end(Pair& pair, End how);
    void close_and_report(Pair& pair, End how);
    void wake();

    const RelayOptions options_;
    std::atomic<std::size_t>& live_;
    std::atomic<std::size_t> load_ = 0;
    Fd epoll_;
    Fd wake_up_; // an eventfd
    std::vector<std::byte> shared_;
    PipePool pipes_; // before the pairs, which give theirs back

    std::mutex mutex_; // guards inbox_ and stopping_
    std::vector<std::unique_ptr<Pair>> inbox_;
    bool stopping_ = false;
    std::atomic<bool> has_news_ = false; // in inbox_ or stopping_; written under the mutex
    std::atomic<bool> asleep_ = false;   // so it must be woken for news

    // Only the worker's own thread touches what follows.
    Pair::Clock::time_point now_;
    Pair::Clock::time_point last_event_;
    std::vector<std::unique_ptr<Pair>> pairs_;
    std::deque<Pair*> queue_;    // have more to move than they were allowed at once
    std::size_t round_left_ = 0; // bytes
    bool saw_small_ = false;     // in the last round, or in this
    Pair::Timers timers_;
    // Ended in this round: events of the round may still name them.
    std::vector<std::unique_ptr<Pair>> graveyard_;

    std::thread thread_; // last: starts when all the rest is there
};

} // namespace tunnel
