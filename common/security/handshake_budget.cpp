#include "common/security/handshake_budget.hpp"

#include <algorithm>
#include <utility>

namespace tunnel {

HandshakeBudget::Turn::Turn(HandshakeBudget& budget, const asio::ip::address& address,
                            std::function<void()> on_granted)
    : budget_(budget), address_(subscriber_of(address)), on_granted_(std::move(on_granted))
{
    budget_.ask(*this);
}

HandshakeBudget::Turn::~Turn()
{
    if (!over_)
        budget_.give_up(*this);
}

void HandshakeBudget::Turn::pay(Clock::duration cost)
{
    if (std::exchange(over_, true))
        return;
    budget_.pay(*this, cost);
}

HandshakeBudget::HandshakeBudget(const asio::any_io_executor& executor, const Options& options)
    : options_(options),
      timer_(executor),
      debt_at_(Clock::now()),
      accounts_(options.most_remembered)
{
}

void HandshakeBudget::succeeded(const asio::ip::address& address)
{
    accounts_.touch(subscriber_of(address)).credit = options_.credit;
}

void HandshakeBudget::ask(Turn& turn)
{
    if (!busy_ && waiting_ == 0 && may_spend(Clock::now())) {
        busy_ = true;
        present_ = std::max(present_, start_of(turn.address_));
        turn.granted_ = true;
        return;
    }
    const auto [group, is_new] = groups_.try_emplace(turn.address_);
    std::list<Turn*>& turns = group->second.turns;
    turn.entry_ = turns.insert(turns.end(), &turn);
    ++waiting_;
    if (is_new) {
        group->second.rank = {start_of(turn.address_), --latest_};
        ranking_.emplace(group->second.rank, group);
    }
    advance();
}

void HandshakeBudget::give_up(Turn& turn)
{
    if (turn.granted_) {
        busy_ = false;
    } else {
        const auto group = groups_.find(turn.address_);
        group->second.turns.erase(turn.entry_);
        --waiting_;
        if (group->second.turns.empty()) {
            ranking_.erase(group->second.rank);
            groups_.erase(group);
        }
    }
    advance();
}

void HandshakeBudget::pay(const Turn& turn, Clock::duration cost)
{
    busy_ = false;
    debt_ += cost;
    Account& account = accounts_.touch(turn.address_);
    const auto from_credit = std::min(account.credit, cost);
    account.credit -= from_credit;
    account.spent_until = std::max(account.spent_until, present_) + (cost - from_credit);
    if (const auto group = groups_.find(turn.address_); group != groups_.end()) {
        ranking_.erase(group->second.rank);
        group->second.rank.first = start_of(turn.address_);
        ranking_.emplace(group->second.rank, group);
    }
    advance();
}

Clock::duration HandshakeBudget::start_of(const Cidr& address) const
{
    const Account* const account = accounts_.find(address);
    if (account == nullptr)
        return present_;
    return std::max(account->spent_until, present_) - account->credit;
}

// The debt shrinks by the share of the time that passes.
bool HandshakeBudget::may_spend(Clock::time_point now)
{
    const auto earned =
        std::chrono::duration_cast<Clock::duration>((now - debt_at_) * options_.share);
    debt_ = std::max(Clock::duration(0), debt_ - earned);
    debt_at_ = now;
    return debt_ <= options_.burst;
}

// Grants the next turn if there is one and it may be, or sees to it that it is granted in time.
void HandshakeBudget::advance()
{
    if (waiting_ == 0) {
        if (std::exchange(timing_, false))
            timer_.cancel();
        return;
    }
    if (busy_ || timing_)
        return;
    const auto now = Clock::now();
    if (!may_spend(now)) {
        const auto wait =
            std::chrono::duration_cast<Clock::duration>((debt_ - options_.burst) / options_.share);
        timing_ = true;
        timer_.expires_at(now + wait);
        timer_.async_wait([this](std::error_code error) {
            if (error || !std::exchange(timing_, false))
                return;
            advance();
        });
        return;
    }
    const auto group = ranking_.begin()->second;
    present_ = std::max(present_, group->second.rank.first);
    Turn& next = *group->second.turns.back();
    group->second.turns.pop_back();
    --waiting_;
    if (group->second.turns.empty()) {
        ranking_.erase(group->second.rank);
        groups_.erase(group);
    }
    busy_ = true;
    next.granted_ = true;
    next.on_granted_();
}

} // namespace tunnel
