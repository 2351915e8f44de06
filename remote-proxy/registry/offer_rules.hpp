// What the options say of the services that origin proxies offer.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "common/base/asio.hpp"
#include "common/protocol/frame.hpp"
#include "remote-proxy/options/options.hpp"
#include "remote-proxy/registry/contests.hpp"
#include "remote-proxy/registry/name_rules.hpp"
#include "remote-proxy/registry/registered_origin.hpp"
#include "remote-proxy/registry/service_list.hpp"

namespace tunnel {

// No I/O. A reload replaces all of it.
struct OfferRules {
    // Where an origin proxy may open services of its own.
    const PortRanges& ports_of(const std::string& credential) const;

    // Whether an origin proxy may open services, as far as that depends on its credential.
    bool lets_open(const std::string& credential) const
    {
        return !ports_of(credential).empty() && !trusts_anyone;
    }

    // Where an outside address is that an origin proxy may open.
    tcp::endpoint endpoint_of(const Address& wanted) const;

    std::map<std::string, PortRanges> allow_ports{}; // as in RemoteOptions
    NameRules names{};
    std::string own_host{};          // of the outside address in the options; empty: all
    asio::ip::address own_address{}; // what that is
    bool trusts_anyone = false;      // there is nothing that an origin proxy has to prove
    bool has_management = false;
    ServiceRules rules{};           // of services that origin proxies open
    std::size_t most_services = 0;  // as many as there are descriptors for
    milliseconds probe_timeout{};   // to answer whether one is still there, or to come back
    milliseconds pairing_timeout{}; // visitors wait so long for an origin proxy
    milliseconds heartbeat_interval{};
};

// The origin proxy opens a service of its own.
struct OpensService {
    Address address;                                   // as it was asked for
    RegisteredServicePointer former{};                 // that it has at another address; null: none
    std::vector<RegisteredServicePointer> gives_way{}; // at this address, and their owners are gone
};

// It serves the service that is there; or opens one; or neither.
using OfferDecision =
    std::variant<RegisteredServicePointer, OpensService, OpensNames, Declined, Contested>;

// No I/O. Tunnels are left out. Throws std::system_error if the offer can never have that address,
// or if there are too many services.
OfferDecision decide_offer(const ServiceList& services, const RegisteredOrigins& origins,
                           const OfferRules& rules, const RegisteredOrigin& origin,
                           const std::string& name, Clock::time_point now);

} // namespace tunnel
