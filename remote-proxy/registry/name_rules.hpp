// What the options say of the names that origin proxies want for their services.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/base/asio.hpp"
#include "common/protocol/frame.hpp"
#include "remote-proxy/options/front_options.hpp"
#include "remote-proxy/registry/contests.hpp"
#include "remote-proxy/registry/registered_origin.hpp"
#include "remote-proxy/registry/service_list.hpp"

namespace tunnel {

// No I/O. A reload replaces all of it.
struct NameRules {
    // Which names an origin proxy may have beside those below the domain.
    const std::vector<std::string>& hosts_of(const std::string& credential) const;

    // By its own rights, without the domain.
    bool is_granted(const std::string& credential, std::string_view host) const;

    bool may_have(const std::string& credential, std::string_view host) const;

    AllowedHosts allow_hosts{};
    std::string domain{};        // empty: there is none
    tcp::endpoint where{};       // of the first front for services of the kinds tls and https
    bool has_front = false;      // there is one
    bool has_http_front = false; // the same for those of the kind http
    // Whether there is a certificate for all that the pattern stands for.
    std::function<bool(std::string_view host)> has_certificate = [](std::string_view) {
        return false;
    };
    // A label that nobody can guess.
    std::function<std::string()> random_label = [] { return std::string(); };
    // What was chosen for a service, by its lasting name, by the process before this one; empty:
    // nothing.
    std::function<std::string(const std::string& service)> former_host = [](const std::string&) {
        return std::string();
    };
    Clock::duration kept_for{}; // a name, for its owner who is gone
};

// The one that has a service already, where only one may have it. Null: the origin proxy of this
// link may serve it; 0 is for one that is not logged in yet.
const RegisteredOrigin* holder_before(const RegisteredService& service,
                                      const RegisteredOrigins& origins, std::uint64_t link,
                                      bool is_anybody);

// The origin proxy has a service with these names from now on.
struct OpensNames {
    PublicNames names;                                 // whole ones
    RegisteredServicePointer former{};                 // its service with other names; null: none
    std::vector<RegisteredServicePointer> gives_way{}; // had one of them, and their owners are gone
};

// The service that it has already; or it gets one; or neither.
using NameDecision = std::variant<RegisteredServicePointer, OpensNames, Declined, Contested>;

// `trusts_anyone`: there is nothing that an origin proxy has to prove.
NameDecision decide_names(const ServiceList& services, const RegisteredOrigins& origins,
                          const NameRules& rules, const RegisteredOrigin& origin,
                          const std::string& name, bool trusts_anyone, Clock::time_point now);

} // namespace tunnel
