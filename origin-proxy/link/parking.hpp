// The data connections that wait for a visitor, as the origin proxy keeps them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "common/base/asio.hpp"
#include "common/base/task_group.hpp"
#include "common/protocol/frame.hpp"
#include "common/transport/channel.hpp"
#include "common/transport/idle_watch.hpp"
#include "origin-proxy/link/data_dialler.hpp"

namespace tunnel {

// How many there are follows the demand, unless their number was given: one at least; one more for
// each visitor who found none; one less for each that nobody needed for a while. Those whose stream
// has ended wait for the next beside them.
class Parking {
public:
    struct Options {
        std::optional<std::uint32_t> number; // none: by demand; 0: no parking at all
        std::size_t capacity;                // there are descriptors for so many
        Clock::duration kept_for;            // without being needed
    };

    // A visitor has been announced on a parked connection, whose next bytes are its stream's.
    using OnAnnounce = std::function<void(Announce&&, Channel&&)>;

    // `tasks`, `dialler` and `idle` must outlive it.
    Parking(TaskGroup& tasks, const DataDialler& dialler, IdleWatch& idle, Options options,
            OnAnnounce on_announce);
    ~Parking();

    // Whether to ask for it at log-in.
    bool wanted() const { return options_.number != 0; }

    // Logged in: begins to park connections of this session.
    void open(const Session& session);

    // The control connection is gone: closes what is parked.
    void close();

    // No more are dialled. Those that are there stay until the remote proxy closes them: visitors
    // may be under way on them.
    void leave();

    // No more are dialled. Those that are there wait for visitors, again and again.
    void stop_dialling() { dials_ = false; }

    // A visitor was announced who found nothing parked.
    void missed();

    // A connection of the session that was opened last, whose stream has ended.
    void put(Channel connection);

    // Descriptors are there for so many from now on.
    void set_capacity(std::size_t capacity);

    // Connections that wait.
    std::size_t size() const { return waiting_.size(); }

    // Closes what nobody needs, and parks again what was lost. Has no end.
    awaitable<void> tend();

private:
    struct Waiting {
        Channel channel;
        std::string received{}; // and not taken as frames yet
        Clock::time_point since = Clock::now();
        int unknown = 0;          // frames of unknown kinds that have come
        IdleWatch::Wait wait = 0; // 0: none
    };

    using All = std::map<std::uint64_t, Waiting>; // by their numbers

    // What reading one has come to.
    struct Received {
        std::optional<Frame> frame;
        bool more_may_be_there = false; // without that the socket becomes ready for it
    };

    void fill_up();
    awaitable<void> dial(Session session);
    bool is_open_for(const Session& session) const;
    void park(Channel connection);
    void wait(All::iterator place);
    awaitable<void> go_on_later(std::uint64_t number);
    Received receive(Waiting& waiting);
    void on_readable(std::uint64_t number);
    All::iterator erase(All::iterator place);

    TaskGroup& tasks_;
    const DataDialler& dialler_;
    IdleWatch& idle_;
    Options options_;
    const OnAnnounce on_announce_;
    std::optional<Session> session_; // while it is open
    std::uint64_t next_number_ = 0;  // of what is parked in this session
    All waiting_;                    // the oldest first
    bool is_leaving_ = false;
    bool dials_ = true;
    std::uint64_t latest_ = 0; // number of what waits
    std::size_t dialling_ = 0;
    std::size_t target_ = 0; // to be there, waiting
};

} // namespace tunnel
