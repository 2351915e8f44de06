// A service, as the registry knows it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/asio.hpp"
#include "common/options/outside.hpp"
#include "common/transport/socket.hpp"
#include "remote-proxy/options/service_options.hpp"
#include "remote-proxy/origins/origin_name.hpp"
#include "remote-proxy/registry/service_source.hpp"
#include "remote-proxy/registry/tunnels.hpp"

namespace tunnel {

// Of the service that an origin proxy offers by this name.
inline std::string lasting_name(const OriginName& owner, const std::string& offer)
{
    return owner.identity() + '/' + offer;
}

// Others look at it; only the registry changes it.
struct RegisteredService {
    // What the management interface keeps its settings under. Names of services that origin proxies
    // have opened depend on the order in which they came; this does not.
    std::string lasting_name() const
    {
        return owner ? tunnel::lasting_name(*owner, options.offer()) : options.name;
    }

    ServiceSource source() const
    {
        return tunnel  ? ServiceSource::management
               : owner ? ServiceSource::origin
                       : ServiceSource::options;
    }

    // It takes connections at its own address; else it shares one with others.
    bool has_address() const { return !options.names.given() || tunnel; }

    // Where its visitors come, for people and programs: "ip:port", or its names.
    std::string outside() const
    {
        return options.names.given() ? to_text(options.names, where.port()) : to_string(where);
    }

    // Whether an origin proxy with this credential may serve it.
    bool allows(std::string_view credential) const { return may_serve(options, credential); }

    bool is_served_by(std::uint64_t link) const
    {
        return std::ranges::find(links, link) != links.end();
    }

    std::uint64_t number; // of this run of the remote proxy; the number of no other service
    RemoteService options;
    tcp::endpoint where; // its outside address; with names that of the first front
    // The origin proxy that has opened it, whether that is here or has gone. Null: nobody has.
    std::shared_ptr<const OriginName> owner{};
    std::optional<PublicTunnel> tunnel{}; // the management interface asked for it
    bool drained = false;                 // the management interface lets no visitors in
    bool is_open = false;                 // visitors can connect
    std::vector<std::uint64_t> links{};   // of those who serve it, by the time they came
    bool is_served = false;               // by an origin proxy that is not drained
    std::string absence{};                // why it is not served, for people
    std::optional<Clock::time_point>
        outage_ends{};            // then the address of one that is not served shuts
    Clock::time_point deserted{}; // when the last one who served it went
    // What holds for its visitors who speak HTTP: what the options say, and of the rest what the
    // first has offered that serves it. It stays when all are gone, so that nobody slips in then
    // who would need a login.
    HttpSettings http{};
};

using RegisteredServicePointer = std::shared_ptr<RegisteredService>;

} // namespace tunnel
