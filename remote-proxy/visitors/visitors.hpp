// The visitors of the remote proxy: from the outside address to the relay.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/alarm.hpp"
#include "common/base/asio.hpp"
#include "common/base/task_group.hpp"
#include "common/management/events.hpp"
#include "common/protocol/frame.hpp"
#include "common/relay/describe.hpp"
#include "common/relay/relay.hpp"
#include "common/transport/listener.hpp"
#include "remote-proxy/control/control_port.hpp"
#include "remote-proxy/management/status.hpp"
#include "remote-proxy/options/options.hpp"
#include "remote-proxy/origins/capacity.hpp"
#include "remote-proxy/origins/origin_links.hpp"
#include "remote-proxy/trust/trusted_origins.hpp"
#include "remote-proxy/visitors/run_state.hpp"
#include "remote-proxy/visitors/service.hpp"
#include "remote-proxy/visitors/tallies.hpp"
#include "remote-proxy/visitors/waiting_room.hpp"

namespace tunnel {

// Accepts them, announces them to origin proxies, and gives them to the relay with the data
// connections that come for them.
class Visitors {
public:
    // What is used here and belongs to others. All of it must outlive this.
    struct Uses {
        asio::io_context& io;
        const RemoteOptions& options;
        const Capacity& capacity;
        const RunState& state;
        const TrustedOrigins& trust;
        const OriginLinks& links;
        Tallies& tallies;
        Alarm& alarm;
        EventHub& events;
        Relay& relay;
        TaskGroup& tasks;
    };

    explicit Visitors(Uses uses);

    // ---- Of one service

    // Takes its visitors until it is retired.
    void accept(const ServicePointer& service);

    // Takes in those who have connected already; whoever comes later is not waited for.
    void accept_connected(const ServicePointer& service);

    // Announces those who wait for it, as far as somebody serves it.
    void announce(PublicService& service);

    // Those who wait and were not announced to anybody are sent away: it is gone, or nobody has
    // come back to serve it.
    void end_waiting_for_closed(const PublicService& service, std::string_view why);

    // A part of them in each turn. True: none are left.
    bool end_waiting_for_deserted(const PublicService& service);

    // ---- Of one origin proxy

    // Somebody has come with a ticket, and may take its visitor.
    awaitable<void> pair(ControlPort::Connection connection, Ticket ticket);

    // It cannot connect a visitor.
    void on_refuse(const OriginLink& link, const Refuse& refuse);

    // Its control connection is gone: those who were announced on it are announced to others.
    void revoke(const OriginLink& link);

    // Resets those whose data connections were there, but had not started.
    void end_pairing(std::uint64_t link);

    // ---- Of any

    // Resets those who are being served, or wait, for whom `which` says so.
    void end_relayed(const std::function<bool(const Visitor&)>& which);
    void end_waiting(const std::function<bool(const Visitor&)>& which, std::string_view why);

    // Cuts those who are served by log-ins for which `which` says so.
    void end_served_by(const std::function<bool(const Carrier&)>& which);

    // Resets one. False: there is none of this number.
    bool end(std::uint64_t id);

    bool any_relayed(const std::function<bool(const Visitor&)>& which) const;

    // Sends those away that have waited for too long, a part of them in each turn.
    void expire(Clock::time_point now);

    // When expire() has something to do.
    std::optional<Clock::time_point> next_deadline() const;

    // Sends all away that wait.
    void end_all_waiting();

    // ---- While the program stops

    // Returns when nobody waits any more who was announced, or at the limit.
    awaitable<void> finish_pairing(Clock::time_point limit);

    // Sends those away for whom nobody has come yet.
    awaitable<void> end_unclaimed();

    // Returns when all are gone, or at the limit.
    awaitable<void> finish(Clock::time_point limit);

    // Wakes those two: something has changed that they may wait for.
    Signal& left() { return visitor_left_; }

    // ---- What there is

    // Who are here, waiting or being served.
    std::size_t size() const { return unidentified_ + room_.size() + relayed_.size(); }

    const WaitingRoom& room() const { return room_; }

    const RemoteCounts& counts() const { return counts_; }

    // Up to `limit` with a higher number than `after`, by their numbers. A service in the filter
    // has its full name.
    std::vector<VisitorStatus> after(std::uint64_t after, std::size_t limit,
                                     const VisitorFilter& filter) const;

private:
    // A visitor in the hands of the relay.
    struct Relayed {
        explicit Relayed(Visitor its) : visitor(std::move(its)) {}

        Visitor visitor;
        PairView view{};
    };

    static constexpr int accept_batch = 64; // then others have a turn

    // All who wait may come to the end of their time at once; resetting one takes about 20 us.
    static constexpr int ended_per_turn = 64;

    awaitable<void> accept_visitors(ServicePointer service);
    awaitable<bool> make_room(PublicService& service);

    bool is_full() const { return size() >= capacity_.visitors(); }

    bool find_room(const PublicService& service, const asio::ip::address& address,
                   std::string_view reason);
    void welcome(const ServicePointer& service, Listener::Accepted accepted);
    awaitable<void> identify(ServicePointer service, Listener::Accepted accepted);
    void admit(const ServicePointer& service, Listener::Accepted accepted, std::string outside,
               Guard guard);
    void enter(PublicService& service, Visitor visitor);
    void admit_at_once(PublicService& service, OriginLink& link, Visitor visitor,
                       Channel connection);
    void relay(Visitor visitor, Channel data, std::optional<FramedStream> framed);
    void on_relay_end(Visitor visitor, Flow flow);
    static void note_success(PublicService& service, const Visitor& visitor);
    void on_refusal(Visitor visitor, std::string_view why);
    void on_broken(Visitor visitor, std::string_view why);
    bool may_wait_again(const Visitor& visitor) const;
    void turn_away(Visitor visitor, std::string_view why, Blame blame = Blame::nobody);
    void note_end(const Visitor& visitor, std::uint64_t up, std::uint64_t down,
                  std::string_view how, Blame blame);
    void note_refusal(const PublicService& service, std::string_view address,
                      std::string_view reason, bool is_limit);
    PairLimits limits_of(const Visitor& visitor) const;
    std::string not_in_time() const;

    asio::io_context& io_;
    const RemoteOptions& options_;
    const Capacity& capacity_;
    const RunState& state_;
    const TrustedOrigins& trust_;
    const OriginLinks& links_;
    Tallies& tallies_;
    Alarm& alarm_;
    EventHub& events_;
    Relay& relay_;
    TaskGroup& tasks_;

    WaitingRoom room_;
    std::size_t unidentified_ = 0; // of whom a load balancer has not said who they are
    std::uint64_t latest_visitor_ = 0;
    std::map<std::uint64_t, Relayed*> relayed_; // by their numbers; the relay has them
    RemoteCounts counts_;
    Signal visitor_left_;
};

} // namespace tunnel
