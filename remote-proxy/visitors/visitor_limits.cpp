#include "remote-proxy/visitors/visitor_limits.hpp"

#include <algorithm>
#include <utility>

namespace tunnel {

namespace {

constexpr auto second = std::chrono::seconds(1);

} // namespace

Reason describe(Refusal refusal)
{
    switch (refusal) {
    case Refusal::denied:
        return {Code::denied, "its address is in --deny"};
    case Refusal::not_allowed:
        return {Code::not_allowed, "its address is not in --allow"};
    case Refusal::too_many:
        return {Code::too_many, "more than --max-connections"};
    case Refusal::too_many_per_ip:
        return {Code::too_many_per_ip, "more than --max-connections-per-ip"};
    case Refusal::too_many_new_per_ip:
        return {Code::too_many_new_per_ip, "more than --max-new-per-second-per-ip"};
    }
    return {};
}

VisitorLimits::Permit& VisitorLimits::Permit::operator=(Permit&& other) noexcept
{
    if (this != &other) {
        leave();
        present_ = std::move(other.present_);
        ip_ = other.ip_;
    }
    return *this;
}

void VisitorLimits::Permit::leave() noexcept
{
    const auto present = std::exchange(present_, nullptr);
    if (!present)
        return;
    --present->total;
    if (ip_ != nullptr && --ip_->second == 0)
        present->by_ip.erase(Cidr(ip_->first));
}

VisitorLimits::VisitorLimits(VisitorRules rules, std::size_t capacity)
    : present_(std::make_shared<Present>()), recent_(capacity)
{
    change_rules(std::move(rules));
}

void VisitorLimits::change_rules(VisitorRules rules)
{
    rules_ = std::move(rules);
    if (rules_.max_new_per_second_per_ip)
        interval_ = Clock::duration(second) / *rules_.max_new_per_second_per_ip;
}

std::variant<VisitorLimits::Permit, Refusal>
VisitorLimits::admit(const asio::ip::address& address, Clock::time_point now, bool is_new)
{
    if (contains(rules_.deny, address))
        return Refusal::denied;
    if (!rules_.allow.empty() && !contains(rules_.allow, address))
        return Refusal::not_allowed;
    if (rules_.max_connections && present_->total >= *rules_.max_connections)
        return Refusal::too_many;
    Permit permit;
    if ((rules_.max_connections_per_ip || rules_.max_new_per_second_per_ip) &&
        !contains(rules_.trusted, address)) {
        if (const auto refusal = count_by_ip(subscriber_of(address), now, permit, is_new))
            return *refusal;
    }
    ++present_->total;
    permit.present_ = present_;
    return permit;
}

std::optional<Refusal> VisitorLimits::count_by_ip(const Cidr& ip, Clock::time_point now,
                                                  Permit& permit, bool is_new)
{
    if (rules_.max_connections_per_ip) {
        const auto here = present_->by_ip.find(ip);
        if (here != present_->by_ip.end() && here->second >= *rules_.max_connections_per_ip)
            return Refusal::too_many_per_ip;
    }
    if (rules_.max_new_per_second_per_ip && is_new) {
        if (comes_too_often(ip, now))
            return Refusal::too_many_new_per_ip;
        note_arrival(ip, now);
    }
    if (rules_.max_connections_per_ip) {
        permit.ip_ = &*present_->by_ip.try_emplace(ip, 0).first;
        ++permit.ip_->second;
    }
    return std::nullopt;
}

bool VisitorLimits::comes_too_often(const Cidr& ip, Clock::time_point now) const
{
    const DebtFree* const debt_free = recent_.find(ip);
    return debt_free != nullptr && *debt_free + interval_ > now + second;
}

// Refused visitors are not noted: an address that keeps trying still gets its share.
void VisitorLimits::note_arrival(const Cidr& ip, Clock::time_point now)
{
    // Two that have paid off are forgotten for each that comes: so the table gets empty again, and
    // nobody pays for a long clearing at once.
    for (int i = 0; i < 2 && recent_.oldest() != nullptr && *recent_.oldest() <= now; ++i)
        recent_.forget_oldest();
    DebtFree& debt_free = recent_.touch(ip);
    debt_free = std::max(debt_free, now) + interval_;
}

} // namespace tunnel
