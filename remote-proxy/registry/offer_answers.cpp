#include "remote-proxy/registry/offer_answers.hpp"

#include <algorithm>
#include <stdexcept>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "common/base/error.hpp"
#include "common/http/host_header.hpp"
#include "common/http/logins.hpp"
#include "common/transport/host_name.hpp"
#include "common/transport/socket.hpp"

namespace tunnel {

namespace {

constexpr std::string_view another_address = "its origin proxy wants another address";
constexpr std::string_view no_port = "no port of those that this origin proxy may open is free";

// Any text may stand there.
bool are_of_sane_size(const PublicNames& names)
{
    constexpr std::string_view longest_beside = "*.."; // of a pattern, and a final dot
    return names.hosts.size() <= most_hosts &&
           std::ranges::all_of(names.hosts, [&](const std::string& host) {
               return host.size() <= longest_host_name + longest_beside.size();
           });
}

// Why it is declined whoever makes it, and nothing of it is kept. nullopt: it is not.
std::optional<Declined> objection_to_form(const Offer& offer)
{
    if (!are_of_sane_size(offer.names))
        return Declined{offer.service, DeclineReason::host_not_allowed,
                        fmt::format("a service may have {} names, each of {} characters",
                                    most_hosts, longest_host_name)};
    const HttpSettings& http = offer.http;
    if (!http.host_header.empty() && !objection_to_host_header(http.host_header).empty())
        return Declined{offer.service, DeclineReason::not_allowed, "its host-header is no host"};
    if (http.logins.empty())
        return std::nullopt;
    try {
        Logins::of_lines(http.logins);
    } catch (const std::runtime_error& error) {
        return Declined{offer.service, DeclineReason::not_allowed,
                        fmt::format("its basic-auth-file is of no use here: {}", error.what())};
    }
    if (size_of_logins(http.logins) > largest_logins)
        return Declined{offer.service, DeclineReason::not_allowed,
                        fmt::format("its logins are larger than {} KiB", largest_logins / 1024)};
    return std::nullopt;
}

// Why a tunnel does not lead to this offer; empty: it may.
std::string_view objection_to_tunnel(const RegisteredService& tunnel,
                                     const RegisteredOrigin& origin, const std::string& offer)
{
    if (tunnel.options.wants_header && !origin.sends_headers) // it was another program before
        return "its origin proxy is too old to send the header that is wanted";
    const bool has_logins = !origin.offers.at(offer).http.logins.empty();
    if (has_logins && !tunnel.options.is_http()) // nothing of its visitors is read
        return "its origin proxy wants visitors to log in, and those of a tunnel are not asked";
    return {};
}

} // namespace

void OfferAnswers::offer(std::uint64_t link, const Offer& offer, Clock::time_point now)
{
    RegisteredOrigin* const origin = registry_.find(link);
    if (origin == nullptr || !origin->offers_services)
        return;
    const auto refuse = [&](Declined no) {
        no.number = offer.number;
        registry_.want(effect::Tell{link, std::move(no)});
    };
    if (auto objection = objection_to_form(offer))
        return refuse(std::move(*objection));
    if (!keep(*origin, offer))
        return refuse({offer.service, DeclineReason::too_many,
                       fmt::format("an origin proxy may offer {} services, with {} KiB of logins "
                                   "together",
                                   most_offers, largest_logins_of_all / 1024)});
    consider({link, offer.service}, true, now);
}

// False: it has too many already.
bool OfferAnswers::keep(RegisteredOrigin& origin, const Offer& offer) const
{
    const auto before = origin.offers.find(offer.service);
    if (before == origin.offers.end() && origin.offers.size() >= most_offers)
        return false;
    const std::size_t former =
        before == origin.offers.end() ? 0 : size_of_logins(before->second.http.logins);
    const std::size_t login_bytes = origin.login_bytes - former + size_of_logins(offer.http.logins);
    if (login_bytes > largest_logins_of_all)
        return false;
    origin.login_bytes = login_bytes;
    RegisteredOrigin::Offered& offered = origin.offers[offer.service];
    offered.outside_address = offer.outside_address;
    offered.names = offer.names.given() ? offer.names : PublicNames();
    offered.speaks_http = offer.speaks_http;
    offered.http = offer.http;
    offered.number = offer.number;
    return true;
}

// Each attempt may be hundreds.
void OfferAnswers::listen_again(std::uint64_t link, Clock::time_point now)
{
    constexpr std::size_t most_at_once = 4;
    RegisteredOrigin* const origin = registry_.find(link);
    if (origin == nullptr || now < origin->listens_again)
        return;
    origin->listens_again = now + registry_.rules().heartbeat_interval;
    auto& offers = origin->offers;
    auto next = offers.upper_bound(origin->listened_last);
    std::size_t found = 0;
    for (std::size_t i = 0; i < offers.size() && found < most_at_once; ++i, ++next) {
        if (next == offers.end())
            next = offers.begin();
        const auto& declined = next->second.declined;
        if (declined != DeclineReason::cannot_listen && declined != DeclineReason::too_many &&
            declined != DeclineReason::in_use && declined != DeclineReason::host_taken)
            continue;
        origin->listened_last = next->first;
        registry_.consider_soon({link, next->first});
        ++found;
    }
}

bool OfferAnswers::consider_next(Clock::time_point now)
{
    const auto who = registry_.take_considered();
    if (!who)
        return false;
    const RegisteredOrigin* const origin = registry_.find(who->link);
    if (origin != nullptr && origin->offers.contains(who->offer))
        consider(*who, false, now);
    else
        registry_.holders().leave(*who);
    return true;
}

bool OfferAnswers::consider_later(Clock::time_point now)
{
    if (const auto contenders = registry_.holders().take_freed()) {
        for (const Contender& each : *contenders)
            registry_.consider_soon(each);
        return true;
    }
    if (!reconsidered_)
        return false;
    const auto first = registry_.origins().lower_bound(reconsidered_->link);
    for (auto origin = first; origin != registry_.origins().end(); ++origin) {
        const bool is_same = origin->first == reconsidered_->link;
        const auto& offers = origin->second.offers;
        const auto next = offers.upper_bound(is_same ? reconsidered_->offer : std::string());
        if (next == offers.end())
            continue;
        reconsidered_ = Contender{origin->first, next->first};
        consider(Contender(*reconsidered_), false, now);
        return true;
    }
    reconsidered_.reset();
    return false;
}

void OfferAnswers::reconsider_all()
{
    searches_.clear();
    registry_.consider_none();
    reconsidered_.emplace();
}

// ---- Answers

void OfferAnswers::consider(const Contender& who, bool asks, Clock::time_point now)
{
    considered_ = Considered{who, asks};
    considered_->tunnels =
        registry_.services().tunnels_to(*registry_.origins().at(who.link).name, who.offer);
    go_on(now);
}

// The rules are asked again after each address that has opened: what there is by then is found.
void OfferAnswers::go_on(Clock::time_point now)
{
    std::optional<Verdict> verdict;
    try {
        verdict = answer(registry_.origins().at(considered_->who.link), now);
    } catch (const std::system_error& error) {
        return decline(error, now);
    }
    if (verdict)
        conclude(std::move(*verdict), now);
}

// nullopt: an address is to be opened first.
std::optional<OfferAnswers::Verdict> OfferAnswers::answer(const RegisteredOrigin& origin,
                                                          Clock::time_point now)
{
    Considered& offered = *considered_;
    const auto holder_of = [&](const RegisteredService& service) {
        return holder_before(service, registry_.origins(), origin.link, origin.is_anybody());
    };
    for (; offered.next < offered.tunnels.size(); ++offered.next) {
        const RegisteredServicePointer& tunnel = offered.tunnels[offered.next];
        const std::string_view objection = objection_to_tunnel(*tunnel, origin, offered.who.offer);
        if (!objection.empty()) {
            registry_.want(effect::ReportNotServed{origin.link, tunnel, objection});
            if (tunnel->is_served_by(origin.link)) // it was allowed before
                registry_.detach(tunnel, origin, now);
        } else if (holder_of(*tunnel) != nullptr)
            offered.contested = tunnel.get();
        else if (!try_serving(tunnel, origin))
            return std::nullopt;
        else if (offered.served == nullptr)
            offered.served = tunnel.get();
    }
    const RegisteredService* const served = offered.served;
    if (const auto* const tunnel = offered.contested; tunnel != nullptr && served == nullptr)
        return contested_service(*tunnel, *holder_of(*tunnel), *origin.name);
    std::optional<Verdict> verdict = answer_by_rules(origin, now);
    if (served == nullptr || !verdict || std::holds_alternative<Opened>(*verdict))
        return verdict;
    // A tunnel gives no right to what else is called so.
    const std::string& name = offered.who.offer;
    if (const RegisteredServicePointer service = service_of_offer(origin, name))
        registry_.detach(service, origin, now);
    return Opened{name, served->outside()};
}

// The same, but for tunnels.
std::optional<OfferAnswers::Verdict> OfferAnswers::answer_by_rules(const RegisteredOrigin& origin,
                                                                   Clock::time_point now)
{
    const std::string& name = considered_->who.offer;
    const OfferDecision decision = decide_offer(registry_.services(), registry_.origins(),
                                                registry_.rules(), origin, name, now);
    if (const auto* const declined = std::get_if<Declined>(&decision))
        return *declined;
    if (const auto* const contested = std::get_if<Contested>(&decision))
        return *contested;
    if (const auto* const opens = std::get_if<OpensService>(&decision)) {
        listen_for(origin, *opens, now);
        return std::nullopt;
    }
    if (const auto* const opens = std::get_if<OpensNames>(&decision)) {
        route_for(origin, *opens, now);
        return std::nullopt;
    }
    const auto& service = std::get<RegisteredServicePointer>(decision);
    if (!try_serving(service, origin))
        return std::nullopt;
    return Opened{name, service->outside()};
}

// False: its address is to be opened first.
bool OfferAnswers::try_serving(const RegisteredServicePointer& service,
                               const RegisteredOrigin& origin)
{
    if (registry_.must_open(*service, origin.link)) {
        considered_->opening = service;
        registry_.want(effect::Open{service});
        return false;
    }
    registry_.attach(service, origin.link);
    return true;
}

// What it has is closed only when the other address is there, unless that has the same port.
void OfferAnswers::listen_for(const RegisteredOrigin& origin, const OpensService& opens,
                              Clock::time_point now)
{
    if (registry_.is_stopping())
        fail(std::make_error_code(std::errc::operation_canceled),
             "the remote proxy is shutting down");
    for (const RegisteredServicePointer& each : opens.gives_way)
        registry_.close(each, "its origin proxy is gone, and another service has its port", now);
    const RegisteredServicePointer& former = opens.former;
    if (former && former->has_address() && former->where.port() == opens.address.port)
        registry_.close(former, another_address, now, origin.link);
    PortRanges any_of;
    if (opens.address.port == 0) {
        if (searches_.is_in_vain(origin.credential, registry_.services().removed(), now))
            fail(std::make_error_code(std::errc::address_in_use), std::string(no_port));
        any_of = registry_.rules().ports_of(origin.credential);
    }
    considered_->opening = nullptr;
    considered_->address = opens.address;
    considered_->names = {};
    registry_.want(effect::Listen{registry_.rules().endpoint_of(opens.address), std::move(any_of),
                                  lasting_name(*origin.name, considered_->who.offer)});
}

// No address has to be opened, so that nothing can fail.
void OfferAnswers::route_for(const RegisteredOrigin& origin, const OpensNames& opens,
                             Clock::time_point now)
{
    if (registry_.is_stopping())
        fail(std::make_error_code(std::errc::operation_canceled),
             "the remote proxy is shutting down");
    for (const RegisteredServicePointer& each : opens.gives_way)
        registry_.close(each, "its origin proxy is gone, and another service has its name", now);
    if (opens.former)
        registry_.close(opens.former, "its origin proxy wants other names", now, origin.link);
    considered_->opening = nullptr;
    considered_->address = {};
    considered_->names = opens.names;
    registry_.want(effect::Route{opens.names.kind});
}

RegisteredServicePointer OfferAnswers::listening(const tcp::endpoint& where, Clock::time_point now)
{
    const RegisteredOrigin& origin = registry_.origins().at(considered_->who.link);
    const std::string& name = considered_->who.offer;
    if (const RegisteredServicePointer former = registry_.services().opened_by(*origin.name, name))
        registry_.close(former, another_address, now, origin.link);
    try {
        RemoteService options{registry_.services().name_for(*origin.name, name),
                              considered_->address};
        options.rules = registry_.rules().rules;
        options.offered_as = name;
        options.names = considered_->names;
        options.speaks_http = !options.names.given() && origin.offers.at(name).speaks_http;
        if (options.names.given())
            options.asked_for = origin.offers.at(name).names;
        return registry_.add(std::move(options), where, origin.name);
    } catch (const std::system_error& error) {
        decline(error, now);
        return nullptr;
    }
}

void OfferAnswers::opened(Clock::time_point now)
{
    registry_.opened(*considered_->opening);
    go_on(now);
}

void OfferAnswers::cannot_listen(const std::system_error& error, Clock::time_point now)
{
    const RegisteredServicePointer service = considered_->opening;
    if (service && service->tunnel) {
        ++considered_->next;
        return go_on(now);
    }
    if (service && service->owner && service->links.empty())
        registry_.close(service, "cannot listen", now);
    if (service || considered_->address.port != 0)
        return decline(error, now);
    const std::string& credential = registry_.origins().at(considered_->who.link).credential;
    searches_.note(credential, registry_.services().removed(), now);
    decline(std::system_error(error.code(), std::string(no_port)), now);
}

void OfferAnswers::decline(const std::system_error& error, Clock::time_point now)
{
    const bool too_many = error.code() == std::errc::too_many_files_open;
    conclude(Declined{considered_->who.offer,
                      too_many ? DeclineReason::too_many : DeclineReason::cannot_listen,
                      error.what()},
             now);
}

void OfferAnswers::conclude(Verdict verdict, Clock::time_point now)
{
    const Considered done = std::move(*std::exchange(considered_, std::nullopt));
    const std::string& name = done.who.offer;
    RegisteredOrigin& origin = *registry_.find(done.who.link);
    RegisteredOrigin::Offered& offered = origin.offers.at(name);
    if (const auto* const contested = std::get_if<Contested>(&verdict)) {
        const bool must_wait = registry_.holders().must_wait(done.who, *contested);
        registry_.note_deadline(registry_.holders().next());
        if (must_wait) {
            registry_.ask(contested->holder, now);
            // A name is kept for as long as visitors wait, which is long for somebody who is told
            // nothing.
            if (contested->until && contested->reason == DeclineReason::host_taken)
                registry_.tell(origin, offered,
                               Declined{name, contested->reason, std::string(contested->words)},
                               done.asks, now);
            return; // it is answered when it is known whether the holder is still there
        }
        verdict = Declined{name, contested->reason, std::string(contested->words)};
    } else {
        registry_.holders().leave(done.who);
    }
    if (const auto* const yes = std::get_if<Opened>(&verdict))
        return registry_.tell(origin, offered, *yes, done.asks, now);
    const auto& no = std::get<Declined>(verdict);
    if (const RegisteredServicePointer service = service_of_offer(origin, name))
        registry_.detach(service, origin, now); // it was allowed before
    const bool knows = !done.asks && offered.declined == DeclineReason::removed &&
                       no.reason == DeclineReason::not_allowed;
    if (!knows)
        registry_.tell(origin, offered, no, done.asks, now);
}

// The one that it serves because of this offer, not counting tunnels; null if it serves none.
RegisteredServicePointer OfferAnswers::service_of_offer(const RegisteredOrigin& origin,
                                                        const std::string& name) const
{
    for (const auto& service :
         {registry_.services().find(name), registry_.services().opened_by(*origin.name, name)}) {
        if (service && service->is_served_by(origin.link))
            return service;
    }
    return nullptr;
}

} // namespace tunnel
