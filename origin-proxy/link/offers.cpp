#include "origin-proxy/link/offers.hpp"

#include <algorithm>
#include <iterator>

#include "common/base/log.hpp"
#include "common/protocol/reason_codes.hpp"

namespace tunnel {

namespace {

// What the user may do about it.
std::string_view hint_for(DeclineReason reason)
{
    switch (reason) {
    case DeclineReason::not_allowed:
        return "see the rules of the remote proxy for this origin proxy";
    case DeclineReason::in_use:
        return "it opens when the other origin proxy is gone";
    case DeclineReason::cannot_listen:
        return "choose another outside address, or free this one on the remote proxy's machine";
    case DeclineReason::too_many:
        return "offer fewer services, or let the remote proxy take more";
    case DeclineReason::removed:
        return "configure it at the remote proxy again, or stop offering it";
    case DeclineReason::host_taken:
        return "it opens when the name is free; or choose another";
    case DeclineReason::host_not_allowed:
        return "choose a name below the remote proxy's --domain, or see allow-hosts there";
    case DeclineReason::no_certificate:
        return "put a certificate for it into the remote proxy's --certificates, or use tls:// if "
               "the origin server speaks TLS itself";
    }
    return "see the log of the remote proxy"; // a reason of a later version
}

// But for its number.
Offer offer_of(const OriginService& options)
{
    const auto& outside = options.outside_address;
    return {options.name,
            outside ? to_string(*outside) : std::string(),
            0,
            options.names,
            options.speaks_http,
            options.http};
}

// Visitors come to the same place.
bool is_in_place(const Offer& before, const Offer& now)
{
    return before.outside_address == now.outside_address && before.names == now.names &&
           before.speaks_http == now.speaks_http;
}

} // namespace

std::vector<Frame> Offers::offer_all(Knows knows)
{
    knows_ = knows;
    offered_.clear();
    return catch_up();
}

// An older remote proxy lets everybody in, and leaves the Host as it is. That it shares no
// connections is no reason.
bool Offers::can_do(const OriginService& options) const
{
    const bool needs_http = options.speaks_http || options.names.kind == ServiceKind::http ||
                            !options.http.host_header.empty() || !options.http.logins.empty();
    return (knows_.names || !options.names.given()) && (knows_.http || !needs_http);
}

std::vector<Frame> Offers::catch_up()
{
    // Withdrawn first, so that their outside addresses are free for the others.
    std::vector<Frame> withdrawn;
    std::vector<Frame> offered;
    auto before = std::exchange(offered_, {});
    for (const std::string& name : services_.names()) {
        const OriginService& options = services_.find(name)->options;
        if (!can_do(options))
            continue;
        Offer offer = offer_of(options);
        auto old = before.extract(name);
        if (!old.empty() && is_in_place(old.mapped().wanted, offer) &&
            old.mapped().wanted.http == offer.http) {
            offered_.insert(std::move(old));
            continue;
        }
        // An offer that comes again in the same place keeps what is open: a port, a random name.
        if (!old.empty() && !is_in_place(old.mapped().wanted, offer))
            withdrawn.push_back(Withdraw{name});
        offer.number = ++latest_offer_;
        offered_.emplace(name, Entry{offer});
        offered.push_back(std::move(offer));
    }
    for (const auto& [name, entry] : before)
        withdrawn.push_back(Withdraw{name});
    std::ranges::move(offered, std::back_inserter(withdrawn));
    return withdrawn;
}

// Null: the service has been withdrawn meanwhile, or offered anew and another answer comes.
Offers::Entry* Offers::entry_of(std::string_view name, std::uint64_t offer)
{
    const auto found = offered_.find(name);
    const bool is_latest =
        found != offered_.end() && (offer == 0 || offer == found->second.wanted.number);
    return is_latest ? &found->second : nullptr;
}

void Offers::on_opened(const Opened& opened)
{
    Entry* const entry = entry_of(opened.service, opened.number);
    if (entry == nullptr)
        return;
    log::info(
        "service opened",
        {{"service", opened.service}, {"outside", opened.outside_address}, {"remote", remote_}});
    entry->state = State::opened;
    entry->outside_address = opened.outside_address;
}

void Offers::on_declined(const Declined& declined)
{
    Entry* const entry = entry_of(declined.service, declined.number);
    if (entry == nullptr)
        return;
    log::warn("the remote proxy does not open a service",
              {{"service", declined.service},
               {"code", name_of(code_of(declined.reason))},
               {"reason", declined.text},
               {"hint", hint_for(declined.reason)},
               {"remote", remote_}});
    entry->state = State::declined;
    entry->declined = declined;
}

std::vector<std::string> Offers::left_out() const
{
    std::vector<std::string> names;
    for (const std::string& name : services_.names()) {
        if (!can_do(services_.find(name)->options))
            names.push_back(name);
    }
    return names;
}

bool Offers::answered() const
{
    return std::ranges::none_of(
        offered_, [](const auto& named) { return named.second.state == State::offered; });
}

std::vector<Declined> Offers::declined() const
{
    std::vector<Declined> all;
    for (const auto& [name, entry] : offered_) {
        if (entry.state == State::declined)
            all.push_back(entry.declined);
    }
    return all;
}

std::vector<Opened> Offers::opened() const
{
    std::vector<Opened> opened;
    for (const std::string& name : services_.names()) {
        const auto found = offered_.find(name);
        if (found != offered_.end() && found->second.state == State::opened)
            opened.push_back({name, found->second.outside_address});
    }
    return opened;
}

} // namespace tunnel
