// From the services that there are to those that are wanted.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/asio.hpp"
#include "common/transport/address.hpp"
#include "remote-proxy/registry/registered_service.hpp"

namespace tunnel {

// Why a visitor, a service or an origin proxy was cut off, where the management interface was asked
// to.
inline constexpr std::string_view management_closed_it = "closed by the management interface";

// A service that there is.
struct PresentService {
    std::string name;
    ServiceSource from = ServiceSource::options;
    std::string offer{};   // what its origin proxy calls it
    std::string owner{};   // the credential of the origin proxy that has opened it
    Address address{};     // as it was asked for
    tcp::endpoint where{}; // where it listens
    PublicNames names{};
    bool speaks_http = false; // visitors at its own address do

    bool has_address() const { return !names.given() || from == ServiceSource::management; }
};

// A service that there is to be.
struct WantedService {
    std::string name;
    Address address{};
    tcp::endpoint where{};              // the same, looked up
    std::vector<std::string> origins{}; // who alone may serve it; empty: anybody
    PublicNames names{};
    bool speaks_http = false;

    // One with names listens nowhere, unless it is a tunnel.
    bool has_address() const { return !names.given() || address.port != 0; }
};

struct ServicePlan {
    struct Closing {
        std::string name;
        std::string_view why; // for people
    };

    // What can fail comes first: listen `at_once`, close, then listen `afterwards`.
    std::vector<Closing> closing{};
    // By their places in the list of what is wanted:
    std::vector<std::size_t> staying{};    // they take other options, without being shut
    std::vector<std::size_t> at_once{};    // nothing has to close before
    std::vector<std::size_t> afterwards{}; // it overlaps with one that closes
};

// All services of one kind are replaced by others: those of the options at a reload, and those that
// the management interface has asked for. What the options name goes before what origin proxies
// have opened under that name, and before tunnels at its address. No I/O.
ServicePlan plan_services(const std::vector<PresentService>& present, ServiceSource replaced,
                          const std::vector<WantedService>& wanted);

} // namespace tunnel
