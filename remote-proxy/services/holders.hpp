// What several origin proxies want and only one can have: a service, or a port.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>

#include "common/base/alarm.hpp"
#include "common/base/asio.hpp"
#include "common/base/task_group.hpp"
#include "remote-proxy/options/options.hpp"
#include "remote-proxy/origins/origin_links.hpp"
#include "remote-proxy/registry/contests.hpp"
#include "remote-proxy/visitors/service.hpp"

namespace tunnel {

// An offer wants something that somebody else has.
struct Contested {
    std::string thing;                      // as Contests has it
    std::uint64_t holder = 0;               // the number of its link
    std::optional<Clock::time_point> until; // with no holder: how long that may come back
    std::string words;                      // for whoever wants it

    // Nobody needs to be asked or waited for to know it.
    bool is_hopeless() const { return holder == 0 && !until; }
};

// The service, which somebody else serves whose place the new one cannot take.
Contested contested_service(const PublicService& service, const OriginLink& holder,
                            const Identity& wanted_by);

// For the log of whoever comes second.
std::string in_use(const PublicService& service, const OriginLink& holder);
std::string in_use(const PublicService& service, const OriginLink& holder,
                   const Identity& wanted_by);

// As Contests has them.
std::string thing_of_name(const PublicService& service);
std::string thing_of_port(const PublicService& service);

// Whoever has something keeps it as long as it answers, and nobody is kept waiting for one that
// does not.
class Holders {
public:
    // What is used here and belongs to others. All of it must outlive this.
    struct Uses {
        asio::io_context& io;
        const RemoteOptions& options;
        const OriginLinks& links;
        Alarm& alarm;
        TaskGroup& tasks;
    };

    // What is to be done when something is known.
    struct Actions {
        std::function<void(const Contender&)> consider; // the offer, once more
        std::function<void(OriginLink&)> drop;          // it does not answer
    };

    Holders(Uses uses, Actions actions);

    // Others that have its credential and name may be former runs of it, of which nobody has heard
    // that they are gone: they are asked. The number that tells it from those that are still there.
    std::size_t meet_twins(const Identity& identity);

    // The offer must wait until it is known whether the holder is still there. False: it is known
    // already, or too many wait, so the offer is to be declined.
    bool must_wait(const Contender& who, const Contested& contested);

    // The offer does not wait any more.
    void leave(const Contender& who) { contests_.leave(who); }

    // A link is gone.
    void forget(const OriginLink& link);

    // It has sent something after it was asked.
    void on_answer(OriginLink& link);

    // Nobody has the service any more. Those who wait for it, or for its port, have their turn
    // later: whoever calls this may be in the middle of a change.
    void become_free(const PublicService& service);

    // Asks those again that are to be asked, and drops those that have not answered.
    void ask_holders(Clock::time_point now);

    // When ask_holders() has something to do.
    std::optional<Clock::time_point> next_question() const;

    // Log-ins wait as well, until a holder has answered or is gone. False: too many wait already.
    bool may_wait() const;

    // Asks the holder and waits. False: it is gone.
    awaitable<bool> has_answered(std::uint64_t holder);

private:
    void ask(std::uint64_t holder);
    awaitable<void> settle();

    const RemoteOptions& options_;
    const OriginLinks& links_;
    Alarm& alarm_;
    TaskGroup& tasks_;
    const Actions actions_;

    Contests contests_;
    std::deque<std::string> freed_;   // things that some wait for
    bool settling_ = false;           // who gets them
    std::size_t waiting_log_ins_ = 0; // until a holder has answered
    Signal holder_settled_;           // it has answered, or is gone
};

} // namespace tunnel
