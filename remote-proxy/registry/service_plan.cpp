#include "remote-proxy/registry/service_plan.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "remote-proxy/registry/tunnels.hpp"

namespace tunnel {

namespace {

using From = ServiceSource;

// Addresses of services.
class Places {
public:
    void add(const tcp::endpoint& where)
    {
        Port& port = ports_[where.port()];
        port.has_wildcard = port.has_wildcard || where.address().is_unspecified();
        port.exact.insert(where.address());
    }

    // Two that are not the same overlap only if one of them is of all addresses, so mostly there is
    // nothing to look for.
    bool overlap_with(const tcp::endpoint& where) const
    {
        const auto found = ports_.find(where.port());
        if (found == ports_.end())
            return false;
        const Port& port = found->second;
        if (port.exact.contains(where.address()))
            return true;
        return (port.has_wildcard || where.address().is_unspecified()) &&
               std::ranges::any_of(port.exact, [&where](const asio::ip::address& each) {
                   return overlap({each, where.port()}, where);
               });
    }

private:
    struct Port {
        bool has_wildcard = false;
        std::set<asio::ip::address> exact{};
    };

    std::map<std::uint16_t, Port> ports_;
};

using ByName = std::map<std::string_view, const WantedService*>;

const WantedService* named(const ByName& wanted, std::string_view name)
{
    const auto found = wanted.find(name);
    return found == wanted.end() ? nullptr : found->second;
}

bool may_be_served_by(const WantedService& service, const std::string& origin)
{
    return service.origins.empty() ||
           std::ranges::find(service.origins, origin) != service.origins.end();
}

// One with names listens nowhere, so that other names are no reason to close it, as long as they
// are at the same addresses.
bool may_stay(const PresentService& service, const WantedService& wanted)
{
    return service.address == wanted.address && service.names.given() == wanted.names.given() &&
           service.speaks_http == wanted.speaks_http &&
           share_addresses(service.names.kind, wanted.names.kind);
}

// A name, and whether it is one of TLS.
using Host = std::pair<bool, std::string_view>;

Host host_of(const PublicNames& names, const std::string& host)
{
    return {share_addresses(names.kind, ServiceKind::tls), host};
}

// Where those listen that come, and their names.
struct Coming {
    Places places{};
    std::set<Host> hosts{};
};

bool takes_host_of(const PresentService& service, const std::set<Host>& hosts)
{
    return std::ranges::any_of(service.names.hosts, [&](const std::string& host) {
        return hosts.contains(host_of(service.names, host));
    });
}

// Why it closes; empty: it does not.
std::string_view why_closed(const PresentService& service, From replaced, const ByName& wanted,
                            const Coming& coming)
{
    if (service.from == replaced) {
        const WantedService* const same = named(wanted, service.name);
        if (same != nullptr && may_stay(service, *same))
            return {};
        if (replaced == From::management)
            return management_closed_it;
        return same != nullptr ? "its address has changed in the options"
                               : "it is gone from the options";
    }
    if (replaced != From::options)
        return {};
    if (service.from == From::management)
        return coming.places.overlap_with(service.where)
                   ? "the options name a service at its address"
                   : std::string_view();
    if (takes_host_of(service, coming.hosts))
        return "the options name a service with its name";
    const WantedService* const same = named(wanted, service.offer);
    return same != nullptr && may_be_served_by(*same, service.owner)
               ? "the options name one that is called so"
               : std::string_view();
}

} // namespace

ServicePlan plan_services(const std::vector<PresentService>& present, From replaced,
                          const std::vector<WantedService>& wanted)
{
    ByName by_name;
    for (const WantedService& each : wanted)
        by_name.emplace(each.name, &each);
    std::map<std::string_view, const PresentService*> here;
    for (const PresentService& each : present) {
        if (each.from == replaced)
            here.emplace(each.name, &each);
    }
    ServicePlan plan;
    std::vector<std::size_t> coming;
    Coming taken;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        const auto same = here.find(wanted[i].name);
        if (replaced == From::options) { // names of tunnels are those at their own addresses
            for (const std::string& host : wanted[i].names.hosts)
                taken.hosts.insert(host_of(wanted[i].names, host));
        }
        if (same != here.end() && may_stay(*same->second, wanted[i])) {
            plan.staying.push_back(i);
        } else {
            coming.push_back(i);
            if (wanted[i].has_address())
                taken.places.add(wanted[i].where);
        }
    }
    Places given_up;
    for (const PresentService& each : present) {
        if (const auto why = why_closed(each, replaced, by_name, taken); !why.empty()) {
            plan.closing.push_back({each.name, why});
            if (each.has_address())
                given_up.add(each.where);
        }
    }
    for (const std::size_t i : coming)
        (wanted[i].has_address() && given_up.overlap_with(wanted[i].where) ? plan.afterwards
                                                                           : plan.at_once)
            .push_back(i);
    return plan;
}

} // namespace tunnel
