// The services that there are.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/base/asio.hpp"
#include "remote-proxy/registry/registered_service.hpp"
#include "remote-proxy/registry/service_plan.hpp"

namespace tunnel {

// Finds services. No I/O, no clock.
class ServiceList {
public:
    using Map = std::map<std::string, RegisteredServicePointer>; // by name

    auto begin() const { return all_.begin(); }

    auto end() const { return all_.end(); }

    std::size_t size() const { return all_.size(); }

    // Those that take connections at addresses of their own.
    std::size_t with_address() const { return with_address_; }

    // Null: there is none.
    RegisteredServicePointer find(const std::string& name) const;

    // What an origin proxy has opened under this name of its own, whether it serves it or has gone
    // and come back; else null.
    RegisteredServicePointer opened_by(const OriginName& origin, const std::string& name) const;

    // What a new one of it is called. Throws std::system_error if all such names are taken.
    std::string name_for(const OriginName& origin, const std::string& name) const;

    // Those that it serves.
    std::vector<RegisteredServicePointer> served_by(std::uint64_t link) const;

    // Tunnels to what this origin proxy offers under this name.
    std::vector<RegisteredServicePointer> tunnels_to(const OriginName& origin,
                                                     const std::string& offer) const;

    // The one that shares a front with those of this kind and has this very name or pattern there.
    // Null: nobody has.
    RegisteredServicePointer with_host(ServiceKind kind, const std::string& host) const;

    // Those that share the address or a part of it.
    std::vector<RegisteredServicePointer> at(const tcp::endpoint& where) const;

    // Those with addresses, and those with names, that origin proxies with this credential, as it
    // is shown, have opened.
    std::size_t count_of_owner(const std::string& credential) const;
    std::size_t names_of_owner(const std::string& credential) const;

    // The name of the service that is meant by this one: its own; or, of one that an origin proxy
    // has opened, that with all names of the origin proxy, or what that calls it, if no other is
    // called so. nullopt: there is none, or it could be several.
    std::optional<std::string> meant_by(const std::string& name) const;

    // As plan_services() wants them.
    std::vector<PresentService> present() const;

    // How many have been removed: an address may be free that was not before.
    std::uint64_t removed() const { return removed_; }

    RegisteredServicePointer add(RemoteService options, const tcp::endpoint& where,
                                 std::shared_ptr<const OriginName> owner = {},
                                 std::optional<PublicTunnel> tunnel = {});
    void remove(const RegisteredService& service);

    // The origin proxy of this link serves it from now on, or does not.
    void attach(const RegisteredServicePointer& service, std::uint64_t link);
    void detach(const RegisteredServicePointer& service, std::uint64_t link);

    // Its outage ends then. nullopt: there is none.
    void set_outage(const RegisteredServicePointer& service, std::optional<Clock::time_point> ends);

    // The next end of an outage.
    std::optional<Clock::time_point> next_outage() const;

    // Those whose outage has ended.
    std::vector<RegisteredServicePointer> outages_over(Clock::time_point now) const;

    // Its names are others from now on.
    void rename(const RegisteredServicePointer& service, PublicNames names);

private:
    // How many services of one credential there are.
    struct Owned {
        std::size_t with_address = 0;
        std::size_t with_names = 0;
    };

    void count(const RegisteredService& service, bool is_new);
    void index(const RegisteredServicePointer& service);
    void drop_index(const RegisteredService& service);

    using Hosts = std::unordered_map<std::string, RegisteredServicePointer>;

    // Names at the fronts for this kind.
    const Hosts& hosts_of(ServiceKind kind) const
    {
        return kind == ServiceKind::http ? http_hosts_ : tls_hosts_;
    }

    Hosts& hosts_of(ServiceKind kind)
    {
        return kind == ServiceKind::http ? http_hosts_ : tls_hosts_;
    }

    Map all_;
    Hosts tls_hosts_;
    Hosts http_hosts_;
    std::map<std::string, RegisteredServicePointer> tunnels_;
    std::map<std::string, Owned> owned_; // by credentials
    std::map<std::uint64_t, std::vector<RegisteredServicePointer>> by_link_;
    std::set<std::pair<Clock::time_point, RegisteredServicePointer>> outages_;
    std::uint64_t latest_ = 0;
    std::size_t with_address_ = 0;
    std::uint64_t removed_ = 0;
};

} // namespace tunnel
