// One service, as the remote proxy has it: where its visitors come, and who serves them.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/asio.hpp"
#include "common/transport/listener.hpp"
#include "remote-proxy/options/service_options.hpp"
#include "remote-proxy/origins/origin_link.hpp"
#include "remote-proxy/registry/tunnels.hpp"
#include "remote-proxy/visitors/counts.hpp"
#include "remote-proxy/visitors/visitor.hpp"
#include "remote-proxy/visitors/visitor_limits.hpp"

namespace tunnel {

struct PublicService {
    // An origin proxy that serves it now.
    struct Server {
        OriginLink* link;
        std::uint64_t turn = 0; // the higher, the later it got a visitor
        // When its origin server last refused a visitor, if it has taken none since.
        std::optional<Clock::time_point> refused{};
        bool is_ill = false; // so its checks say
    };

    // How long one whose origin server refused a visitor comes after the others.
    static constexpr Clock::duration avoided_for = std::chrono::seconds(10);

    PublicService(asio::any_io_executor executor, RemoteService its_options, Listener listener,
                  std::uint64_t its_number);

    // Other options, but for the name and the address, hold from now on.
    void change(RemoteService wanted);

    // Whom to tell of the visitor: null, if nobody serves it who has not refused this one before.
    // One whose origin server is ill comes last, and is better than nobody: checks may be wrong.
    // One whose first bytes were sent to an origin proxy may be told to that one alone.
    OriginLink* choose(const Visitor& visitor, Clock::time_point now) const;

    // It was told of a visitor.
    void told(const OriginLink& link);

    // The origin proxy that it was announced to has refused it, and there is one who has not.
    bool has_another_for(const Visitor& visitor) const;

    // Another run of the origin proxy to which the visitor's first bytes went has its place.
    bool is_replaced(const Visitor& visitor) const;

    // What the management interface keeps its settings under. Names of services that origin proxies
    // have opened depend on the order in which they came; this does not.
    std::string lasting_name() const;

    // Null: it does not serve this.
    Server* server(const OriginLink* link);
    Server* server(std::uint64_t link_number);

    // Whoever has it already, where only one may: null if this one may serve it now. Where nobody
    // has to prove anything only one may, since anybody could take part.
    OriginLink* holder_before(const OriginLink* link, bool is_anybody) const;

    // Somebody serves it who takes visitors.
    bool is_served() const;

    // Whether an origin proxy of this name may serve it.
    bool allows(std::string_view origin) const { return may_serve(options, origin); }

    // Of this run of the remote proxy; the number of no other service.
    const std::uint64_t number;
    const std::shared_ptr<const std::string> name; // that of the options
    RemoteService options;
    // An origin proxy asked for it; it ends when that one is gone for good. Null: it stands in the
    // options.
    std::shared_ptr<const OriginName> owner{};
    // The management interface asked for it.
    std::optional<PublicTunnel> tunnel{};
    bool drained = false; // takes no visitors, as the management interface has said
    Listener outside;
    VisitorLimits limits;
    SharedLimits bandwidth;
    std::vector<Server> servers; // by the time they came
    std::uint64_t next_turn = 1;
    std::string absence{}; // why nobody serves it, for people; empty while somebody does
    std::optional<Clock::time_point> outage_ends{}; // then an address without a server shuts
    Clock::time_point deserted{};                   // when the last one who served it went
    std::optional<Clock::time_point> full_since{};  // the last visitor came who could be taken
    Signal opened;
    ServiceCounts counts{};
    bool retired = false; // no more visitors, ever
};

using ServicePointer = std::shared_ptr<PublicService>;
using ServiceMap = std::map<std::string, ServicePointer>; // by name

} // namespace tunnel
