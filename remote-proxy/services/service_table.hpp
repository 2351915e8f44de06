// The services of the remote proxy.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/alarm.hpp"
#include "common/base/asio.hpp"
#include "common/management/events.hpp"
#include "common/transport/listen_hosts.hpp"
#include "common/transport/listener.hpp"
#include "remote-proxy/options/options.hpp"
#include "remote-proxy/origins/capacity.hpp"
#include "remote-proxy/registry/saved_state.hpp"
#include "remote-proxy/visitors/run_state.hpp"
#include "remote-proxy/visitors/service.hpp"
#include "remote-proxy/visitors/visitors.hpp"

namespace tunnel {

// The services that the options name, with the one that needs no name.
std::vector<RemoteService> services_of(const RemoteOptions& options);

// The table of services: what there is, where it listens and who serves it. Who may serve what is
// decided by others.
class ServiceTable {
public:
    // What is used here and belongs to others. All of it must outlive this.
    struct Uses {
        asio::io_context& io;
        const RemoteOptions& options;
        const RunState& state;
        const SavedState& saved;
        Capacity& capacity;
        Visitors& visitors;
        Alarm& alarm;
        EventHub& events;
    };

    explicit ServiceTable(Uses uses);

    const ServiceMap& all() const { return services_; }

    // Null: there is none.
    ServicePointer find(const std::string& name) const;

    // What an origin proxy has opened under this name of its own, whether it serves it or has gone
    // and come back; else null.
    ServicePointer opened_by(const OriginName& origin, const std::string& name) const;

    // What a new one of it is called. Throws std::system_error if all such names are taken.
    std::string name_for(const OriginName& origin, const std::string& name) const;

    // How many have been closed: after a change an address may be free that was not before.
    std::uint64_t closed() const { return closed_; }

    // Those that it serves.
    std::vector<ServicePointer> served_by(const OriginLink& link) const;

    // The name of the service that is meant by this one: its own; or, of one that an origin proxy
    // has opened, that with all names of the origin proxy, or what that calls it, if no other is
    // called so. nullopt: there is none, or it could be several.
    std::optional<std::string> meant_by(const std::string& name) const;

    // Hosts are looked up as ListenHosts does.
    tcp::endpoint endpoint(const Address& address) { return hosts_.endpoint(address); }

    // Throws std::system_error that names the address.
    Listener listen(const Address& address);

    // Begins to take visitors as soon as somebody serves it. `owner` is null, unless an origin
    // proxy has asked for it.
    ServicePointer add(RemoteService options, Listener listener,
                       std::shared_ptr<const OriginName> owner);

    // It takes no more visitors, ever; those who are being served go on. Those who serve it are
    // returned, and do so no longer.
    std::vector<PublicService::Server> close(const ServicePointer& service, std::string_view why);

    // The origin proxy serves it from now on. Throws std::system_error if it cannot listen.
    void attach(PublicService& service, OriginLink& link);

    // It serves it no longer. True: nobody serves it any more.
    bool detach(PublicService& service, OriginLink& link);

    // Whoever waits is announced again, if somebody is there who takes visitors.
    void begin_again(PublicService& service);

    // When the address of the first one shuts that nobody serves.
    std::optional<Clock::time_point> next_outage_end() const;

    // Those whose addresses are to be shut by now, since nobody has come back.
    std::vector<ServicePointer> outages_over(Clock::time_point now) const;

private:
    asio::io_context& io_;
    const RemoteOptions& options_;
    const RunState& state_;
    const SavedState& saved_;
    Capacity& capacity_;
    Visitors& visitors_;
    Alarm& alarm_;
    EventHub& events_;

    ListenHosts hosts_;
    ServiceMap services_;
    std::uint64_t latest_service_ = 0;
    std::uint64_t closed_ = 0;
};

} // namespace tunnel
