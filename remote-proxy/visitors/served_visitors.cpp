#include "remote-proxy/visitors/served_visitors.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include "remote-proxy/registry/service_plan.hpp"
#include "remote-proxy/visitors/service.hpp"

namespace tunnel {

namespace {

// How fast an announced visitor may be.
PairLimits limits_of(const Visitor& visitor)
{
    PairLimits limits;
    Bandwidths& up = limits.first_to_second;
    Bandwidths& down = limits.second_to_first;
    if (const ServicePointer service = visitor.service()) {
        add_limits(service->options.rules.bandwidth.each, up, down);
        service->bandwidth.add_to(up, down);
    }
    if (const auto& bandwidth = visitor.attempt->by().bandwidth)
        bandwidth->add_to(up, down);
    return limits;
}

} // namespace

void ServedVisitors::serve(Visitor visitor, Channel data, std::optional<FramedStream> framed)
{
    PairOptions pair_options{visitor.attempt->by().group, limits_of(visitor), visitor.guard};
    pair_options.framed = std::move(framed);
    pair_options.filter = std::move(visitor.exchange);
    Channel channel = std::move(visitor.channel);
    // Most come in the order of their numbers, so the hint is right.
    const auto place = served_.try_emplace(served_.end(), visitor.id, std::move(visitor));
    pair_options.view = &place->second.view;
    // No more than std::function has room for without an allocation.
    auto done = [this, place](Flow& flow) {
        asio::post(io_, [this, place, flow = std::move(flow)]() mutable {
            take_back(place, std::move(flow));
        });
    };
    relay_.hand_over(std::move(channel), std::move(data), std::move(done), std::move(pair_options));
}

void ServedVisitors::take_back(All::iterator place, Flow flow)
{
    const auto node = served_.extract(place);
    const Served& served = node.mapped();
    const bool ends = flow.end == End::cut_off || flow.end == End::not_started ||
                      flow.end == End::refused || flow.end == End::handed_back;
    if (ends && served.view.unwanted) { // it must not come in once more
        flow.end = End::cut_off;
        flow.refusal = management_closed_it;
    }
    on_end_(std::move(node.mapped().visitor), std::move(flow));
}

bool ServedVisitors::any(const std::function<bool(const Visitor&)>& which) const
{
    return std::ranges::any_of(served_,
                               [&which](const auto& entry) { return which(entry.second.visitor); });
}

void ServedVisitors::end(const std::function<bool(const Visitor&)>& which)
{
    bool any = false;
    for (auto& [id, served] : served_) {
        if (which(served.visitor)) {
            served.view.unwanted = true;
            any = true;
        }
    }
    if (any)
        relay_.end_unwanted();
}

void ServedVisitors::end_of(const std::function<bool(const Carrier&)>& which)
{
    std::map<std::uint64_t, bool> ends; // by groups
    for (const auto& [id, served] : served_) {
        const Carrier& carrier = served.visitor.attempt->by();
        if (!ends.contains(carrier.group))
            ends[carrier.group] = which(carrier);
    }
    for (const auto& [group, is_over] : ends) {
        if (is_over)
            relay_.end_group(group);
    }
}

} // namespace tunnel
