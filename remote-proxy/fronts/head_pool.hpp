// Visitors whose next request is still to come.
#pragma once

#include <cstddef>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "common/base/alarm.hpp"
#include "common/base/asio.hpp"
#include "common/http/message_head.hpp"
#include "common/transport/fair_pool.hpp"
#include "common/transport/idle_watch.hpp"
#include "remote-proxy/fronts/http_client.hpp"

namespace tunnel {

// Reads heads of requests. Bounds the visitors who wait and their time: for a head that has begun
// there is one limit, however its bytes come. When there are too many, the address that has the
// most loses its oldest. Whoever is silent costs an entry and no buffer.
class HeadPool {
public:
    struct Limits {
        std::size_t connections = 256;
        Clock::duration head = std::chrono::seconds(10); // for the first one, and from its begin
        Clock::duration idle = std::chrono::seconds(60); // between two requests
    };

    struct Hooks {
        // A whole one. What came behind it is the channel's read ahead.
        std::function<void(HttpClient client, std::string head)> on_head;
        // What has come is no head.
        std::function<void(HttpClient client, const MessageProblem& problem)> on_wrong;
        // It took too long; `has_begun`: a part of it is there.
        std::function<void(HttpClient client, bool has_begun)> on_late;
        // Another visitor has its place now.
        std::function<void(HttpClient client)> on_pushed_out;
    };

    // All three must outlive it. `alarm` rings when expire() has something to do.
    HeadPool(asio::io_context& io, IdleWatch& watch, Alarm& alarm, Hooks hooks,
             const Limits& limits);

    HeadPool(const HeadPool&) = delete;
    HeadPool& operator=(const HeadPool&) = delete;
    ~HeadPool();

    // For its next request, of which a part may have been read ahead.
    void wait(HttpClient client);

    // One who has not begun with a request. nullopt: there is none.
    std::optional<HttpClient> take_idle();

    std::size_t size() const { return waiting_.size() + ready_.size(); }

    // Calls on_late for those whose time has come, some in each call.
    void expire(Clock::time_point now);

    // When expire() has something to do.
    std::optional<Clock::time_point> next_deadline() const;

    // All are closed, and reset if they have begun with a request.
    void clear();

private:
    struct Waiting;

    using Place = std::list<Waiting>::iterator;
    using Deadlines = std::multimap<Clock::time_point, Place>;

    struct Waiting {
        HttpClient client;
        std::string bytes{};      // of a head that has begun
        std::size_t searched = 0; // of them
        IdleWatch::Wait wait = 0; // 0: none
        bool is_ready = false;    // it is in `ready_`
        Deadlines::iterator deadline{};
        FairPool<Waiting>::Slot slot{};
        Place place{};
    };

    void set_deadline(Place place, Clock::time_point when);
    void watch(Place place);
    void look(Place place);
    bool take_in(Place place);
    HttpClient remove(Place place);
    void take_turns();

    asio::io_context& io_;
    IdleWatch& watch_;
    Alarm& alarm_;
    const Hooks hooks_;
    const Limits limits_;
    std::list<Waiting> waiting_;
    std::list<Waiting> ready_; // have bytes for which no socket becomes readable
    Deadlines deadlines_;
    FairPool<Waiting> by_address_;
    std::shared_ptr<bool> lives_; // of handlers that were posted
    bool turn_is_due_ = false;
};

} // namespace tunnel
