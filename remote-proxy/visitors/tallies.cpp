#include "remote-proxy/visitors/tallies.hpp"

#include <algorithm>

namespace tunnel {

void Tallies::count(Tally& tally, std::string_view peer, std::string_view reason, Code code)
{
    tally.count(peer, reason, code, Clock::now());
    if (const auto due = tally.due())
        alarm_->ring_by(*due);
}

void Tallies::count(Refusal refusal, std::string_view peer)
{
    count(refusals[static_cast<std::size_t>(refusal)], peer, describe(refusal).text);
}

std::optional<Clock::time_point> Tallies::due()
{
    std::optional<Clock::time_point> first;
    for (const Tally* const tally : all()) {
        const auto due = tally->due();
        if (due && (!first || *due < *first))
            first = due;
    }
    return first;
}

void Tallies::flush(std::optional<Clock::time_point> now)
{
    for (Tally* const tally : all())
        tally->flush(now);
}

std::array<Tally*, 11 + refusal_kinds> Tallies::all()
{
    std::array<Tally*, 11 + refusal_kinds> tallies{
        &strangers,       &rejections, &no_room,  &no_proxy_header, &foreign_proxy_header,
        &accept_failures, &ignored,    &restless, &missing_tunnels, &not_routed,
        &bad_requests};
    std::ranges::transform(refusals, tallies.begin() + 11, [](Tally& tally) { return &tally; });
    return tallies;
}

awaitable<void> pause_accepting(Tallies& tallies, std::string_view where, std::error_code why)
{
    tallies.count(tallies.accept_failures, where, why.message(), code_of(why));
    co_await sleep_for(std::chrono::milliseconds(100));
}

} // namespace tunnel
