#include "origin-proxy/offers.hpp"

#include <algorithm>
#include <iterator>

#include "common/log.hpp"

namespace tunnel {

namespace {

// For whoever reads the log.
std::string_view what_to_do(DeclineReason reason)
{
    switch (reason) {
    case DeclineReason::not_allowed:
        return "allow it in what the remote proxy is told of this origin proxy";
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

Frame offer_of(const OriginService& options)
{
    const auto& outside = options.outside_address;
    return Offer{options.name, outside ? to_string(*outside) : std::string()};
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
        offered.push_back(offer_of(options));
        told_.emplace(name, Entry{options.outside_address});
    }
    for (const auto& [name, entry] : before)
        withdrawn.push_back(Withdraw{name});
    std::ranges::move(offered, std::back_inserter(withdrawn));
    return withdrawn;
}

void Offers::on_opened(const Opened& opened)
{
    const auto found = told_.find(opened.service);
    if (found == told_.end()) // withdrawn meanwhile
        return;
    log::info(
        "service opened",
        {{"service", opened.service}, {"outside", opened.outside_address}, {"remote", remote_}});
    found->second.state = State::opened;
    found->second.outside_address = opened.outside_address;
}

void Offers::on_declined(const Declined& declined)
{
    const auto found = told_.find(declined.service);
    if (found == told_.end())
        return;
    log::warn("the remote proxy does not open a service", {{"service", declined.service},
                                                           {"reason", declined.text},
                                                           {"advice", what_to_do(declined.reason)},
                                                           {"remote", remote_}});
    found->second.state = State::declined;
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
