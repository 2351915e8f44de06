// One worker of the relay: its own loop, its own pairs, nothing shared with the others.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <sys/epoll.h>

#include "common/relay/mailbox.hpp"
#include "common/relay/pair.hpp"
#include "common/relay/pair_timers.hpp"
#include "common/relay/wake_timer.hpp"

namespace tunnel {

class Relay::Worker {
public:
    // `live` counts the pairs of the whole relay and must outlive the worker. Without a thread of
    // its own it works in poll(), and then only one thread may call any of these.
    Worker(const RelayOptions& options, std::atomic<std::size_t>& live, unsigned number,
           bool own_thread);
    ~Worker();

    // From any thread. `live` has been raised for it already.
    void hand_over(std::unique_ptr<Pair> pair);

    // From any thread: pairs that it has, or is about to have, and no side of which has ended:
    // those that have are most likely about to go, and the next pair need not avoid them.
    std::size_t load() const { return load_; }

    // From any thread, or a lent one: ends the pairs of a group.
    void end_group(std::uint64_t group);

    // The same of those that are unwanted.
    void end_unwanted();

    // From any thread: ends all pairs and the thread, and waits for it.
    void stop();

    // For a lent thread, as those of Relay.
    bool poll();
    bool may_sleep();
    void watch_also(int descriptor, std::function<void()> on_readable);

    int descriptor() const { return epoll_.get(); }

    // From any thread: whether its thread has had a turn since the last call, which it was woken
    // for.
    bool turns();

    bool has_own_thread() const { return own_thread_; }

    // From any thread.
    ThreadTurns take_longest_turns() { return watch_.take(); }

private:
    using Events = std::array<epoll_event, 256>;
    using Which = Mailbox::Which;

    struct Other {
        std::function<void()> on_readable;
        bool is_ready = false;
    };

    // Which socket of a pair an event is about travels in the lowest bit of the pair's address.
    static constexpr std::uintptr_t second_bit = 1;

    // The most that a start waits for a piece to go with, while there is other work. Before the
    // worker sleeps it goes in any case.
    static constexpr std::chrono::milliseconds start_waits{1};

    // What is not about a pair.
    static constexpr std::uint64_t wake_up_tag = 0;
    static constexpr std::uint64_t timer_tag = 1;
    static constexpr std::uint64_t first_other_tag = 2; // below the address of any pair

    void tell_of(int descriptor, std::uint64_t tag);
    void run();
    int look(Events& events, int limit);
    int wait_for_events(Events& events);
    void end_round(Pair::Clock::time_point now);
    void work(std::span<const epoll_event> events);
    void on_event(const epoll_event& event);
    void end_all();
    void end_those(const Which& which);
    void end_from_anywhere(Which which);
    bool take_news();
    void adopt_arrived();
    void end_arrived(const Which& which, End how);
    void adopt(std::unique_ptr<Pair> pair);
    bool open(Pair& pair);
    bool watch(int descriptor, std::uintptr_t tag);
    void on_pair_event(std::uint64_t data, std::uint32_t events);
    void progress(Pair& pair);
    bool pump(Pair& pair, Direction& direction);
    void expire_timers();

    bool start_due() const
    {
        return !starting_.empty() && starting_.front()->began + start_waits <= now_;
    }

    void start_next();

    bool round_is_over() const { return Pair::Clock::now() >= round_end_; }

    void enqueue(Pair& pair);

    void take_turns();
    void end(Pair& pair, End how);
    void close_and_report(Pair& pair, End how);
    void no_longer_load(Pair& pair);

    const RelayOptions options_;
    const bool own_thread_;
    std::atomic<std::size_t>& live_;
    std::atomic<std::size_t> load_ = 0;
    std::atomic<bool> asked_ = false; // by turns(), and it has had no turn since
    Fd epoll_;
    PipePool pipes_; // before the pairs, which give theirs back
    Mailbox mailbox_;

    // Only the worker's own thread touches what follows.
    WakeTimer wake_timer_;
    std::vector<std::byte> shared_;
    std::string filtered_; // what a filter has made of a piece
    Pair::Clock::time_point now_;
    Pair::Clock::time_point last_event_;
    std::deque<std::unique_ptr<Pair>> arrived_; // not adopted yet: each may take a handshake
    std::vector<std::unique_ptr<Pair>> pairs_;
    std::deque<Pair*> queue_;    // have more to move than they were allowed at once
    std::deque<Pair*> starting_; // whose start waits for the first piece of the answer
    std::size_t round_left_ = 0; // bytes
    Pair::Clock::time_point round_end_;
    Pair::Clock::time_point
        last_small_; // when a message passed, rather than a part of a bulk stream
    PairTimers timers_;
    // Ended in this round: events of the round may still name them.
    std::vector<std::unique_ptr<Pair>> graveyard_;
    TurnWatch watch_;
    bool round_is_open_ = false; // something has been done since now_
    std::vector<Other> others_;  // of watch_also()

    std::thread thread_; // last: starts when all the rest is there; none if it is lent one
};

} // namespace tunnel
