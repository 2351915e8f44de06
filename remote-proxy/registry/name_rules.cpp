#include "remote-proxy/registry/name_rules.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/base/log.hpp"
#include "common/options/outside.hpp"
#include "common/transport/host_name.hpp"
#include "remote-proxy/options/whole_names.hpp"

namespace tunnel {

namespace {

// Each takes a few KiB.
constexpr std::size_t most_services_with_names = 65'536;

// One label in front of the domain.
bool is_label_of(std::string_view host, std::string_view domain)
{
    if (domain.empty() || is_wildcard_host(host) || !host.ends_with(domain) ||
        host.size() < domain.size() + 2)
        return false;
    const std::size_t dot = host.size() - domain.size() - 1;
    return host[dot] == '.' && host.find('.') == dot;
}

std::string names_allowed(const NameRules& rules, const std::string& credential)
{
    std::vector<std::string> all = rules.hosts_of(credential);
    if (!rules.domain.empty())
        all.insert(all.begin(), "NAME." + rules.domain);
    return fmt::format("{}", fmt::join(all, ", "));
}

// To services with names as such.
std::optional<std::string> objection_to_names(const NameRules& rules,
                                              const RegisteredOrigin& origin,
                                              const PublicNames& wanted, bool trusts_anyone)
{
    const bool is_http = wanted.kind == ServiceKind::http;
    if (wanted.kind != ServiceKind::tls && wanted.kind != ServiceKind::https && !is_http)
        return fmt::format("this remote proxy does not route {} by name: use https://, http:// or "
                           "tls://",
                           name_of(wanted.kind));
    if (is_http && !rules.has_http_front)
        return "this remote proxy has no address for plain HTTP: start it with --http-addr, or use "
               "https://";
    if (!is_http && !rules.has_front)
        return "this remote proxy has no address for services with names: start it with "
               "--https-addr, or give the service a port";
    if (trusts_anyone)
        return "without a secret nobody may choose a name: give both proxies the same "
               "--secret-file";
    if (rules.domain.empty() && rules.hosts_of(origin.credential).empty())
        return "this origin proxy may not choose a name: see --domain and allow-hosts of the "
               "remote proxy";
    if (const std::string wrong = contradiction(wanted); !wrong.empty())
        return "its offer " + wrong;
    return std::nullopt;
}

// Bytes from the network: any text may stand there. Throws Declined.
std::string wanted_host(const NameRules& rules, const RegisteredOrigin& origin,
                        const std::string& name, const std::string& text)
{
    const auto refuse = [&name](DeclineReason reason, std::string words) {
        throw Declined{name, reason, std::move(words)};
    };
    if (text.empty() && rules.domain.empty())
        refuse(DeclineReason::host_not_allowed,
               "there is no --domain here below which it could get a name: say which it wants");
    const std::string whole =
        text.empty() ? rules.random_label() + '.' + rules.domain : whole_host(text, rules.domain);
    const auto host = canonical_host_pattern(whole);
    if (!host)
        refuse(DeclineReason::host_not_allowed, objection_to_host(whole));
    if (!rules.may_have(origin.credential, *host))
        refuse(DeclineReason::host_not_allowed,
               fmt::format("{} is not one of the names that this origin proxy may have: {}", *host,
                           names_allowed(rules, origin.credential)));
    return *host;
}

// The name that was chosen for it before another process took over; empty: none.
std::string former_host(const NameRules& rules, const RegisteredOrigin& origin,
                        const std::string& name)
{
    std::string host = rules.former_host(lasting_name(*origin.name, name));
    return rules.may_have(origin.credential, host) ? host : std::string();
}

// However many one origin proxy has, as many are left for others.
bool has_room(const ServiceList& services, const std::string& credential)
{
    const std::size_t all = services.size() - services.with_address();
    return all + services.names_of_owner(credential) < most_services_with_names;
}

// A service of the options that has all names below another, among them this one. The domain gives
// no right to cut one out of them.
const RegisteredService* wider_of_options(const ServiceList& services, ServiceKind kind,
                                          const std::string& host)
{
    for (std::size_t dot = host.find('.', is_wildcard_host(host) ? 2 : 0); dot != std::string::npos;
         dot = host.find('.', dot + 1)) {
        const RegisteredServicePointer there = services.with_host(kind, '*' + host.substr(dot));
        if (there && there->source() == ServiceSource::options)
            return there.get();
    }
    return nullptr;
}

// The service that has the name already; null: the name is free, or its owner is gone.
struct Taken {
    std::optional<Declined> declined{};
    std::optional<Contested> contested{};
    bool gives_way = false;
};

Taken look_at_owner(const RegisteredService& there, const std::string& host,
                    const RegisteredOrigins& origins, const NameRules& rules,
                    const RegisteredOrigin& origin, const std::string& name, Clock::time_point now)
{
    if (!there.owner)
        return {Declined{
            name, DeclineReason::host_taken,
            fmt::format("{} is the name of the service \"{}\" here", host, there.options.name)}};
    if (!there.links.empty()) {
        const RegisteredOrigin& holder = origins.at(there.links.front());
        if (holder.link == origin.link)
            return {Declined{
                name, DeclineReason::host_taken,
                fmt::format("{} is the name of its service \"{}\"", host, there.options.offer())}};
        return {std::nullopt, contested_host(there, host, holder)};
    }
    const auto until = there.deserted + rules.kept_for;
    if (!there.owner->is_alike(*origin.name) && now < until)
        return {std::nullopt, kept_host(there, host, until)};
    return {std::nullopt, std::nullopt, true};
}

} // namespace

const std::vector<std::string>& NameRules::hosts_of(const std::string& credential) const
{
    static const std::vector<std::string> none;
    for (const std::string& name : {credential, std::string()}) {
        if (const auto found = allow_hosts.find(name); found != allow_hosts.end())
            return found->second;
    }
    return none;
}

bool NameRules::is_granted(const std::string& credential, std::string_view host) const
{
    return std::ranges::any_of(
        hosts_of(credential), [host](const std::string& allowed) { return covers(allowed, host); });
}

bool NameRules::may_have(const std::string& credential, std::string_view host) const
{
    return is_label_of(host, domain) || is_granted(credential, host);
}

// Where nobody has to prove anything only one may serve, since anybody could take part.
const RegisteredOrigin* holder_before(const RegisteredService& service,
                                      const RegisteredOrigins& origins, std::uint64_t link,
                                      bool is_anybody)
{
    if (!service.options.is_exclusive && !is_anybody && !service.owner)
        return nullptr;
    const auto other =
        std::ranges::find_if(service.links, [link](std::uint64_t each) { return each != link; });
    return other == service.links.end() ? nullptr : &origins.at(*other);
}

NameDecision decide_names(const ServiceList& services, const RegisteredOrigins& origins,
                          const NameRules& rules, const RegisteredOrigin& origin,
                          const std::string& name, bool trusts_anyone, Clock::time_point now)
{
    const PublicNames& wanted = origin.offers.at(name).names;
    if (auto objection = objection_to_names(rules, origin, wanted, trusts_anyone))
        return Declined{name, DeclineReason::not_allowed, std::move(*objection)};
    OpensNames opens{{wanted.kind}, services.opened_by(*origin.name, name)};
    const RegisteredServicePointer& own = opens.former;
    // What was asked for is compared, since a random name must stay.
    const bool is_same = own && own->options.asked_for == wanted;
    try {
        for (std::size_t i = 0; i < wanted.hosts.size(); ++i) {
            std::string text = wanted.hosts[i];
            if (text.empty() && !own && wanted.hosts.size() == 1)
                text = former_host(rules, origin, name);
            const bool keeps_random =
                is_same && text.empty() && i < own->options.names.hosts.size() &&
                rules.may_have(origin.credential, own->options.names.hosts[i]);
            opens.names.hosts.push_back(wanted_host(
                rules, origin, name, keeps_random ? own->options.names.hosts[i] : text));
        }
    } catch (const Declined& declined) {
        return declined;
    }
    if (const std::string wrong = contradiction(opens.names); !wrong.empty())
        return Declined{name, DeclineReason::host_not_allowed, "its offer " + wrong};
    if (wanted.kind == ServiceKind::https) {
        for (const std::string& host : opens.names.hosts) {
            if (!rules.has_certificate(host))
                return Declined{name, DeclineReason::no_certificate,
                                fmt::format("there is no certificate for {} here", host)};
        }
    }
    if (own) {
        if (const auto* const holder = holder_before(*own, origins, origin.link, false))
            return contested_service(*own, *holder, *origin.name);
        if (is_same && own->options.names == opens.names)
            return own;
    }
    for (const std::string& host : opens.names.hosts) {
        const RegisteredService* const wider = wider_of_options(services, wanted.kind, host);
        if (wider != nullptr && !rules.is_granted(origin.credential, host))
            return Declined{name, DeclineReason::host_taken,
                            fmt::format("{} is one of the names of the service \"{}\" here", host,
                                        wider->options.name)};
        const RegisteredServicePointer there = services.with_host(wanted.kind, host);
        if (!there || there == own)
            continue;
        Taken taken = look_at_owner(*there, host, origins, rules, origin, name, now);
        if (taken.declined)
            return std::move(*taken.declined);
        if (taken.contested)
            return std::move(*taken.contested);
        if (std::ranges::find(opens.gives_way, there) == opens.gives_way.end())
            opens.gives_way.push_back(there);
    }
    if (!own && !has_room(services, origin.credential))
        return Declined{name, DeclineReason::too_many,
                        "too many services with names are here, and as many must be left for "
                        "others"};
    return opens;
}

} // namespace tunnel
