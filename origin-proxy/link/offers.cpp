#include "origin-proxy/link/offers.hpp"

#include <algorithm>
#include <iterator>

#include "common/base/log.hpp"
#include "common/protocol/reason_codes.hpp"

namespace tunnel {

namespace {

// For whoever reads the log.
std::string_view what_to_do(DeclineReason reason)
{
    switch (reason) {
    case DeclineReason::not_allowed:
        return "see the rules of the remote proxy for this origin proxy";
    case DeclineReason::in_use:
        return "waiting until it is free";
    case DeclineReason::cannot_listen:
        return "choose another outside address, or free this one on the remote proxy's machine";
    case DeclineReason::too_many:
        return "offer fewer services, or let the remote proxy take more";
    case DeclineReason::removed:
        return "put it back into what the remote proxy is told, if it is still wanted";
    }
    return "see the remote proxy's log"; // a reason of a later version
}

} // namespace

std::vector<Frame> Offers::offer_all()
{
    told_.clear();
    return catch_up();
}

std::vector<Frame> Offers::catch_up()
{
    // Those first, so that what they leave outside is free for the others.
    std::vector<Frame> withdrawn;
    std::vector<Frame> offered;
    auto before = std::exchange(told_, {});
    for (const std::string& name : services_.names()) {
        const OriginService& options = services_.find(name)->options;
        auto old = before.extract(name);
        if (!old.empty() && old.mapped().asked_for == options.outside_address) {
            told_.insert(std::move(old));
            continue;
        }
        if (!old.empty())
            withdrawn.push_back(Withdraw{name});
        Entry& fresh = told_.emplace(name, Entry{options.outside_address}).first->second;
        offered.push_back(offer_of(options, fresh));
    }
    for (const auto& [name, entry] : before)
        withdrawn.push_back(Withdraw{name});
    std::ranges::move(offered, std::back_inserter(withdrawn));
    return withdrawn;
}

Offer Offers::offer_of(const OriginService& options, Entry& entry)
{
    entry.offer = ++latest_offer_;
    const auto& outside = options.outside_address;
    return {options.name, outside ? to_string(*outside) : std::string(), entry.offer};
}

// Null: it has been withdrawn meanwhile, or offered anew, and then another answer comes.
Offers::Entry* Offers::offered(std::string_view name, std::uint64_t offer)
{
    const auto found = told_.find(name);
    const bool is_latest = found != told_.end() && (offer == 0 || offer == found->second.offer);
    return is_latest ? &found->second : nullptr;
}

void Offers::on_opened(const Opened& opened)
{
    Entry* const entry = offered(opened.service, opened.number);
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
    Entry* const entry = offered(declined.service, declined.number);
    if (entry == nullptr)
        return;
    log::warn("the remote proxy does not open a service",
              {{"service", declined.service},
               {"code", name_of(code_of(declined.reason))},
               {"reason", declined.text},
               {"advice", what_to_do(declined.reason)},
               {"remote", remote_}});
    entry->state = State::declined;
}

bool Offers::answered() const
{
    return std::ranges::none_of(
        told_, [](const auto& named) { return named.second.state == State::offered; });
}

std::vector<Opened> Offers::opened() const
{
    std::vector<Opened> opened;
    for (const std::string& name : services_.names()) {
        const auto found = told_.find(name);
        if (found != told_.end() && found->second.state == State::opened)
            opened.push_back({name, found->second.outside_address});
    }
    return opened;
}

} // namespace tunnel
