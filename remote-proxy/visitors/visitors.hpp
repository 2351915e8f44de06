// The visitors of the remote proxy, from the outside address to the relay.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
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
#include "common/transport/async_channel.hpp"
#include "common/transport/listener.hpp"
#include "remote-proxy/options/options.hpp"
#include "remote-proxy/origins/capacity.hpp"
#include "remote-proxy/origins/origin_links.hpp"
#include "remote-proxy/trust/trusted_origins.hpp"
#include "remote-proxy/visitors/admission.hpp"
#include "remote-proxy/visitors/counts.hpp"
#include "remote-proxy/visitors/http_streams.hpp"
#include "remote-proxy/visitors/run_state.hpp"
#include "remote-proxy/visitors/served_visitors.hpp"
#include "remote-proxy/visitors/service.hpp"
#include "remote-proxy/visitors/tallies.hpp"
#include "remote-proxy/visitors/visitor_records.hpp"
#include "remote-proxy/visitors/visitor_status.hpp"
#include "remote-proxy/visitors/waiting_room.hpp"

namespace tunnel {

// Accepts visitors, announces them to origin proxies, and hands them to the relay with the data
// connections that come for them.
class Visitors {
public:
    // Owned by others; all must outlive this.
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
        IdleWatch& watch;
    };

    explicit Visitors(Uses uses);

    // ---- Of one service

    // Who may come in.
    Admission& admission() { return admission_; }

    // Announces its waiting visitors, if an origin proxy serves it.
    void announce(PublicService& service);

    // Its waiting visitors get the connections that are there. While new ones go to another
    // process they have no others.
    void serve_waiting(PublicService& service);

    // Resets its waiting visitors that are not announced: the service is closed (`why`), or no
    // origin proxy has come back.
    void end_waiting_for_closed(const PublicService& service, std::string_view why);

    // Only some in each call. True: none are left.
    bool end_waiting_for_deserted(const PublicService& service);

    // ---- Of one origin proxy

    // Pairs a data connection that has presented a ticket with its visitor. `peer` is its
    // "ip:port".
    awaitable<void> pair(AsyncChannel channel, std::string peer, Ticket ticket);

    // The origin proxy cannot connect a visitor.
    void on_refuse(const OriginLink& link, const Refuse& refuse);

    // Its control connection is gone: its announced visitors go to others.
    void revoke(const OriginLink& link);

    // Resets visitors whose data connection has come but not started.
    void end_pairing(std::uint64_t link);

    // ---- Of any

    // Those who are not waiting any more.
    ServedVisitors& served() { return served_; }

    // Streams for their requests, if they speak HTTP.
    StreamPool& streams() { return streams_.pool(); }

    const StreamPool& streams() const { return streams_.pool(); }

    // Resets the waiting visitors that `which` selects, for the management interface.
    void end_waiting(const std::function<bool(const Visitor&)>& which);

    // Resets one visitor. False: there is none with this number.
    bool end(std::uint64_t id);

    // Resets visitors that have waited too long, some in each call.
    void expire(Clock::time_point now);

    // When expire() has something to do.
    std::optional<Clock::time_point> next_deadline() const;

    // Resets all waiting visitors.
    void end_all_waiting();

    // ---- While the program stops

    // Returns when no announced visitor waits any more, or at the limit.
    awaitable<void> finish_pairing(Clock::time_point limit);

    // Resets visitors for whom no data connection has come.
    awaitable<void> end_unclaimed();

    // Returns when all have left, or at the limit.
    awaitable<void> finish(Clock::time_point limit);

    // Wakes finish_pairing() and finish(): something has changed.
    Signal& left() { return visitor_left_; }

    // ---- What there is

    // The number of visitors, waiting or served.
    std::size_t size() const { return admission_.unidentified() + room_.size() + served_.size(); }

    const WaitingRoom& room() const { return room_; }

    const RemoteCounts& counts() const { return counts_; }

    // Up to `limit` visitors with numbers above `after`, in order. A service in the filter has its
    // full name.
    std::vector<VisitorStatus> after(std::uint64_t after, std::size_t limit,
                                     const VisitorFilter& filter) const;

private:
    // All waiting visitors may expire at once; resetting one takes about 20 us.
    static constexpr int ended_per_turn = 64;

    void begin(PublicService& service, Visitor visitor);
    bool begin_at_once(PublicService& service, Visitor& visitor);
    void enter(PublicService& service, Visitor visitor);
    void announce_at_once(PublicService& service, OriginLink& link, Visitor visitor,
                          Channel connection);
    void go_on_with(PublicService& service, OriginLink& link, Visitor visitor, HttpStream stream);
    void hand_back(Visitor visitor, Flow flow);
    void relay(Visitor visitor, Channel data, std::optional<FramedStream> framed);
    void on_relay_end(Visitor visitor, Flow flow);
    static void note_success(PublicService& service, const Visitor& visitor);
    void on_refusal(Visitor visitor, const Reason& why);
    void on_broken(Visitor visitor, const Reason& why);
    bool may_wait_again(const Visitor& visitor) const;
    void turn_away(Visitor visitor, const Reason& why, Blame blame = Blame::nobody);
    Reason not_in_time() const;

    const RemoteOptions& options_;
    const RunState& state_;
    const TrustedOrigins& trust_;
    const OriginLinks& links_;
    Tallies& tallies_;
    Alarm& alarm_;
    VisitorRecords records_;
    WaitingRoom room_;
    RemoteCounts counts_;
    Signal visitor_left_;
    ServedVisitors served_;
    HttpStreams streams_;
    Admission admission_;
};

} // namespace tunnel
