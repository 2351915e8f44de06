#include "remote-proxy/registry/offer_rules.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "common/base/error.hpp"
#include "common/options/key_names.hpp"
#include "common/transport/host_name.hpp"
#include "common/transport/socket.hpp"
#include "remote-proxy/options/whole_names.hpp"

namespace tunnel {

namespace {

bool is_wildcard(const std::string& host)
{
    return host.empty() || host == "0.0.0.0" || host == "::";
}

std::string to_text(const PortRanges& ranges)
{
    std::string text;
    for (const PortRange& each : ranges) {
        text += text.empty() ? "" : ", ";
        text += each.first == each.last ? std::to_string(each.first)
                                        : fmt::format("{}-{}", each.first, each.last);
    }
    return text;
}

bool contains(const PortRanges& ranges, std::uint16_t port)
{
    return std::ranges::any_of(ranges,
                               [port](const PortRange& each) { return each.contains(port); });
}

// To what is offered with a service: visitors are not to come in without the login that its origin
// proxy relies on.
std::optional<Declined> objection_to_logins(const std::string& name, bool is_http,
                                            const RegisteredOrigin::Offered& offer)
{
    if (is_http || offer.http.logins.empty())
        return std::nullopt;
    return Declined{name, DeclineReason::not_allowed,
                    fmt::format("the visitors of service \"{}\" do not speak HTTP with this remote "
                                "proxy, so that they cannot be asked for the login that its origin "
                                "proxy wants: let them come to https://NAME, http://NAME or "
                                "http://:PORT, or leave basic-auth-file out",
                                name)};
}

// To serving a service that there is.
std::optional<Declined> objection_to_serving(const RegisteredService& service,
                                             const std::string& credential,
                                             const RegisteredOrigin::Offered& offer,
                                             const NameRules& rules)
{
    const std::string& name = service.options.name;
    const std::string& wanted = offer.outside_address;
    if (!service.allows(credential))
        return Declined{name, DeclineReason::not_allowed,
                        fmt::format("service \"{}\" is not for this origin proxy", name)};
    if (auto objection = objection_to_logins(name, service.options.is_http(), offer))
        return objection;
    if (wanted.empty() && !offer.names.given())
        return std::nullopt;
    const PublicNames& names = service.options.names;
    const auto is_its = [&names, &rules](const std::string& host) {
        const auto whole = canonical_host_pattern(whole_host(host, rules.domain));
        return whole && std::ranges::find(names.hosts, *whole) != names.hosts.end();
    };
    if (names.given() && wanted.empty() && offer.names.kind == names.kind &&
        std::ranges::all_of(offer.names.hosts, is_its))
        return std::nullopt;
    const auto address = parse_address(wanted);
    const bool fits =
        address && !names.given() && (service.options.speaks_http || !offer.speaks_http) &&
        (address->port == 0 || address->port == service.where.port()) &&
        (address->host.empty() || address->host == service.where.address().to_string() ||
         address->host == service.options.outside_address.host);
    if (fits)
        return std::nullopt;
    if (offer.speaks_http && !names.given() && !service.options.speaks_http)
        return Declined{name, DeclineReason::not_allowed,
                        fmt::format("the visitors of service \"{}\" are not taken for some who "
                                    "speak HTTP here: leave http:// out, or say http:// here too",
                                    name)};
    return Declined{name, DeclineReason::not_allowed,
                    fmt::format("service \"{}\" is at {} here, and not where the origin proxy "
                                "wants it: leave its address out",
                                name, service.outside())};
}

// To opening one that there is not.
std::optional<Declined> objection_to_opening(const OfferRules& rules, const std::string& credential,
                                             const std::string& name, const std::string& wanted)
{
    const auto refused = [&name](std::string text) {
        return Declined{name, DeclineReason::not_allowed, std::move(text)};
    };
    const PortRanges& allowed = rules.ports_of(credential);
    if (rules.trusts_anyone && !allowed.empty())
        return refused(
            fmt::format("there is no service \"{}\" here, and without a secret nobody may "
                        "open one: give both proxies the same --secret-file",
                        name));
    if (allowed.empty())
        return refused(fmt::format(
            "there is no service \"{}\" here, and this origin proxy may not "
            "open one: see allow-ports of the remote proxy{}{}",
            name, rules.has_management ? ", or PUT /tunnels of its management interface" : "",
            rules.names.domain.empty() ? std::string()
                                       : fmt::format("; or give it a name below {0}, such as "
                                                     "@https://{1} or @tls://{1}",
                                                     rules.names.domain, name)));
    if (wanted.empty())
        return refused(fmt::format("there is no service \"{}\" here: say at which port to open it, "
                                   "out of {}",
                                   name, to_text(allowed)));
    const auto address = parse_address(wanted);
    if (!address)
        return refused(fmt::format("its outside address is not {}", address_syntax));
    if (address->port != 0 && !contains(allowed, address->port))
        return refused(
            fmt::format("port {} is not one of those that this origin proxy may open: {}",
                        address->port, to_text(allowed)));
    // It must not reach further than the remote proxy's own address does.
    const std::string& own = rules.own_host;
    if (!address->host.empty() && address->host != own && !is_wildcard(own))
        return refused(fmt::format("services open at {} here: leave the host out", own));
    const bool is_v6 = address->host.find(':') != std::string::npos;
    if (own == "0.0.0.0" && is_v6)
        return refused("services open at IPv4 addresses here");
    std::error_code not_numeric;
    asio::ip::make_address(address->host, not_numeric);
    if (!address->host.empty() && address->host != own && not_numeric)
        return refused("its host must be an IP address of the remote proxy, or be left out");
    return std::nullopt;
}

// Each takes a descriptor. However many one origin proxy opens, as many are left for others. Throws
// std::system_error.
void must_leave_room(const ServiceList& services, const OfferRules& rules,
                     const RegisteredOrigin& origin, const OpensService& opens)
{
    const std::string& credential = origin.name->credential();
    const auto is_its = [&credential](const RegisteredServicePointer& service) {
        return service->owner->credential() == credential;
    };
    const std::size_t open = services.with_address() - opens.gives_way.size();
    const std::size_t own =
        services.count_of_owner(credential) -
        static_cast<std::size_t>(std::ranges::count_if(opens.gives_way, is_its));
    const bool gives_one_up = opens.former && opens.former->has_address();
    const std::size_t leaving = gives_one_up ? 2 : 0; // it is among both
    if (open + own < rules.most_services + leaving)
        return;
    fail(std::make_error_code(std::errc::too_many_files_open),
         fmt::format("{} services are open, {} of this origin proxy, and as many must be left for "
                     "others out of {}: raise the remote proxy's limit of descriptors",
                     open, own, rules.most_services));
}

} // namespace

const PortRanges& OfferRules::ports_of(const std::string& credential) const
{
    static const PortRanges none;
    for (const std::string& name : {credential, std::string()}) {
        if (const auto found = allow_ports.find(name); found != allow_ports.end())
            return found->second;
    }
    return none;
}

tcp::endpoint OfferRules::endpoint_of(const Address& wanted) const
{
    std::error_code is_name;
    const auto address = asio::ip::make_address(wanted.host, is_name);
    return {is_name ? own_address : address, wanted.port};
}

OfferDecision decide_offer(const ServiceList& services, const RegisteredOrigins& origins,
                           const OfferRules& rules, const RegisteredOrigin& origin,
                           const std::string& name, Clock::time_point now)
{
    if (!is_service_name(name))
        return Declined{name, DeclineReason::not_allowed, std::string(plain_name_syntax)};
    const RegisteredOrigin::Offered& offer = origin.offers.at(name);
    const std::string& wanted = offer.outside_address;
    const bool has_names = offer.names.given();
    const bool may_open =
        has_names ? !rules.trusts_anyone : !wanted.empty() && rules.lets_open(origin.credential);
    const RegisteredServicePointer named = services.find(name);
    // One that is for others does not keep this one from having one of its own, elsewhere.
    if (named && (named->allows(origin.credential) || !may_open)) {
        if (auto objection = objection_to_serving(*named, origin.credential, offer, rules.names))
            return *objection;
        if (const auto* const holder =
                holder_before(*named, origins, origin.link, origin.is_anybody()))
            return contested_service(*named, *holder, *origin.name);
        return named;
    }
    const bool is_http = has_names ? is_http_kind(offer.names.kind) : offer.speaks_http;
    const auto without_login = objection_to_logins(name, is_http, offer);
    if (has_names && without_login)
        return *without_login;
    if (has_names)
        return std::visit(
            [](auto each) { return OfferDecision(std::move(each)); },
            decide_names(services, origins, rules.names, origin, name, rules.trusts_anyone, now));
    if (auto objection = objection_to_opening(rules, origin.credential, name, wanted))
        return *objection;
    if (without_login)
        return *without_login;
    OpensService opens{parse_address(wanted).value(), services.opened_by(*origin.name, name)};
    const RegisteredServicePointer& own = opens.former;
    if (own) {
        if (const auto* const holder = holder_before(*own, origins, origin.link, false))
            return contested_service(*own, *holder, *origin.name);
        if (own->has_address() && own->options.outside_address == opens.address &&
            own->options.speaks_http == offer.speaks_http &&
            contains(rules.ports_of(origin.credential), own->where.port()))
            return own;
    }
    if (opens.address.port != 0) {
        for (const auto& there : services.at(rules.endpoint_of(opens.address))) {
            if (there == own)
                continue;
            if (!there->owner)
                fail(asio::error::address_in_use,
                     fmt::format("port {} is that of the service \"{}\" here", opens.address.port,
                                 there->options.name));
            if (!there->links.empty())
                return contested_port(*there, origins.at(there->links.front()), origin.link);
            // Its owner may have lost its connection for a moment alone.
            const auto until = there->deserted + rules.probe_timeout;
            if (!there->owner->is_alike(*origin.name) && now < until)
                return kept_port(*there, until);
            opens.gives_way.push_back(there);
        }
    }
    must_leave_room(services, rules, origin, opens);
    return opens;
}

} // namespace tunnel
