#include "remote-proxy/control/failed_log_ins.hpp"

#include <algorithm>
#include <utility>

namespace tunnel {

FailedLogIns::FailedLogIns(std::vector<Cidr> trusted, std::size_t capacity)
    : trusted_(std::move(trusted)), recent_(capacity)
{
}

Clock::duration FailedLogIns::failed(const asio::ip::address& address, Clock::time_point now)
{
    // Two that mean nothing any more are forgotten for each that comes, so that the table gets
    // empty again and no call has much to do.
    const auto over = [now](const Failures& failures) {
        return failures.last.back() + window <= now && failures.blocked_until <= now;
    };
    for (int i = 0; i < 2 && recent_.oldest() != nullptr && over(*recent_.oldest()); ++i)
        recent_.forget_oldest();

    Failures& failures = recent_.touch(subscriber_of(address));
    std::rotate(failures.last.begin(), failures.last.begin() + 1, failures.last.end());
    failures.last.back() = now;
    const auto within = static_cast<std::size_t>(std::ranges::count_if(
        failures.last, [now](Clock::time_point time) { return time > now - window; }));
    if (within > tolerated)
        failures.blocked_until = now + block;
    // At most 250 ms * 2^6, since there are no more than ten.
    failures.delay = within <= forgiven
                         ? Clock::duration(0)
                         : std::min(longest_delay, shortest_delay * (1 << (within - forgiven - 1)));
    return failures.delay;
}

Clock::duration FailedLogIns::delay(const asio::ip::address& address, Clock::time_point now) const
{
    const Failures* const failures = recent_.find(subscriber_of(address));
    if (failures == nullptr || failures->last.back() <= now - window)
        return Clock::duration(0);
    return failures->delay;
}

void FailedLogIns::succeeded(const asio::ip::address& address)
{
    recent_.forget(subscriber_of(address));
}

Clock::duration FailedLogIns::blocked_for(const asio::ip::address& address,
                                          Clock::time_point now) const
{
    const Failures* const failures = recent_.find(subscriber_of(address));
    if (failures == nullptr || failures->blocked_until <= now || contains(trusted_, address))
        return Clock::duration(0);
    return failures->blocked_until - now;
}

} // namespace tunnel
