#include "origin-proxy/services.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

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

} // namespace

Services::Services(Dialling dialling, const std::vector<OriginService>& wanted)
    : dialling_(std::move(dialling))
{
    change(wanted);
}

std::shared_ptr<Service> Services::find(std::string_view name) const
{
    const auto found = table_.find(name);
    return found == table_.end() ? nullptr : found->second.service;
}

std::vector<std::shared_ptr<Service>> Services::all() const
{
    std::vector<std::shared_ptr<Service>> all;
    all.reserve(table_.size());
    for (const auto& [name, entry] : table_)
        all.push_back(entry.service);
    return all;
}

std::vector<Frame> Services::change(const std::vector<OriginService>& wanted)
{
    // Those first, so that what they leave outside is free for the others.
    std::vector<Frame> withdrawn;
    std::vector<Frame> offered;
    auto before = std::exchange(table_, {});
    names_.clear();
    for (const OriginService& options : wanted) {
        names_.push_back(options.name);
        auto old = before.extract(options.name);
        if (old.empty()) {
            auto limits = std::make_shared<SharedLimits>(options.bandwidth.together);
            Entry& fresh = table_.emplace(options.name, Entry{made_of(options, std::move(limits))})
                               .first->second;
            offered.push_back(offer_of(fresh));
            continue;
        }
        Entry& entry = old.mapped();
        const OriginService was = entry.service->options;
        if (was.bandwidth.together != options.bandwidth.together)
            entry.service->bandwidth->change(options.bandwidth.together);
        if (was != options)
            entry.service = made_of(options, entry.service->bandwidth);
        if (was.outside_address != options.outside_address) {
            withdrawn.push_back(Withdraw{options.name});
            offered.push_back(offer_of(entry));
        }
        table_.insert(std::move(old));
    }
    for (const auto& [name, entry] : before) {
        log::info("service withdrawn", {{"service", name}});
        withdrawn.push_back(Withdraw{name});
    }
    std::ranges::move(offered, std::back_inserter(withdrawn));
    return withdrawn;
}

std::vector<Frame> Services::offer_all()
{
    std::vector<Frame> offers;
    for (const std::string& name : names_)
        offers.push_back(offer_of(table_.at(name)));
    return offers;
}

Offer Services::offer_of(Entry& entry)
{
    entry.state = State::offered;
    entry.offer = ++latest_offer_;
    const OriginService& options = entry.service->options;
    const auto& outside = options.outside_address;
    return {options.name, outside ? to_string(*outside) : std::string(), entry.offer};
}

// Null: it has been withdrawn meanwhile, or offered anew, and then another answer comes.
Services::Entry* Services::offered(std::string_view name, std::uint64_t offer)
{
    const auto found = table_.find(name);
    const bool is_latest = found != table_.end() && (offer == 0 || offer == found->second.offer);
    return is_latest ? &found->second : nullptr;
}

void Services::on_opened(const Opened& opened)
{
    Entry* const entry = offered(opened.service, opened.number);
    if (entry == nullptr)
        return;
    log::info("service opened", {{"service", opened.service}, {"outside", opened.outside_address}});
    entry->state = State::opened;
    entry->outside_address = opened.outside_address;
}

void Services::on_declined(const Declined& declined)
{
    Entry* const entry = offered(declined.service, declined.number);
    if (entry == nullptr)
        return;
    log::warn("the remote proxy does not open a service",
              {{"service", declined.service},
               {"reason", declined.text},
               {"advice", what_to_do(declined.reason)}});
    entry->state = State::declined;
}

bool Services::answered() const
{
    return std::ranges::none_of(
        table_, [](const auto& named) { return named.second.state == State::offered; });
}

std::vector<Opened> Services::opened() const
{
    std::vector<Opened> opened;
    for (const std::string& name : names_) {
        const Entry& entry = table_.at(name);
        if (entry.state == State::opened)
            opened.push_back({name, entry.outside_address});
    }
    return opened;
}

std::shared_ptr<Service> Services::made_of(const OriginService& options,
                                           std::shared_ptr<SharedLimits> bandwidth) const
{
    return std::make_shared<Service>(
        Service{options,
                OriginServer(dialling_.executor, options.origin_server_address, dialling_.timeout,
                             dialling_.congestion),
                std::move(bandwidth)});
}

} // namespace tunnel
