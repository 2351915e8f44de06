#include "common/relay/bandwidth.hpp"

#include <algorithm>
#include <utility>

using namespace std::chrono_literals;

namespace tunnel {

namespace {

// A turn is what the rate gives in so long. A short one where others wait: of 100 visitors who send
// all they can each has its next one after 200 ms. A long one costs less.
constexpr Bandwidth::Clock::duration turn_of_many = 2ms;
constexpr Bandwidth::Clock::duration turn_of_one = 20ms;

// Bytes, whatever the rate.
constexpr std::uint64_t smallest_turn = 128;
constexpr std::uint64_t largest_turn = 256 * 1024;

// How late a direction may notice that its limit was changed.
constexpr Bandwidth::Clock::duration longest_sleep = 1s;

std::int64_t in_nanoseconds(Bandwidth::Clock::duration duration)
{
    return std::chrono::nanoseconds(duration).count();
}

std::uint64_t bytes_in(std::int64_t nanoseconds, std::uint64_t rate)
{
    return static_cast<std::uint64_t>(static_cast<double>(nanoseconds) * 1e-9 *
                                      static_cast<double>(rate));
}

} // namespace

Bandwidth::Bandwidth(std::uint64_t bytes_per_second, Use use) : use_(use), rate_(bytes_per_second)
{
}

std::int64_t Bandwidth::time_for(std::size_t bytes, std::uint64_t rate)
{
    if (rate == 0)
        return 0;
    return static_cast<std::int64_t>(static_cast<double>(bytes) * 1e9 / static_cast<double>(rate));
}

Bandwidth::Turn Bandwidth::take_turn(Clock::time_point now, std::size_t most)
{
    const std::uint64_t rate = rate_;
    if (rate == 0)
        return {now, most};
    const std::int64_t here = in_nanoseconds(now.time_since_epoch());
    const std::uint64_t turn =
        std::clamp(bytes_in(in_nanoseconds(use_ == Use::alone ? turn_of_one : turn_of_many), rate),
                   smallest_turn, largest_turn);
    std::int64_t until = given_away_until_;
    std::int64_t begins = 0;
    std::size_t bytes = 0;
    do {
        begins = std::max(until, here - in_nanoseconds(memory));
        // Where others may wait for theirs, it would be at their cost.
        const bool catches_up = use_ == Use::alone && begins < here;
        const std::uint64_t unused = catches_up ? bytes_in(here - begins, rate) : 0;
        bytes = std::min<std::uint64_t>(std::max(turn, unused), most);
    } while (!given_away_until_.compare_exchange_weak(until, begins + time_for(bytes, rate)));
    return {Clock::time_point(std::chrono::nanoseconds(begins)), bytes};
}

void Bandwidth::give_back(std::size_t bytes)
{
    given_away_until_ -= time_for(bytes);
}

void Bandwidth::change(std::uint64_t bytes_per_second)
{
    if (rate_.exchange(bytes_per_second) == bytes_per_second)
        return;            // nobody loses its turn
    given_away_until_ = 0; // at another rate it would be another time
    ++changes_;
}

std::size_t Allowance::bytes(Clock::time_point now)
{
    while (taken_ < limits_.size()) {
        Bandwidth& limit = *limits_[taken_];
        if (!next_ || limit.changes() != changes_) {
            changes_ = limit.changes();
            next_ = limit.take_turn(now, bytes_);
        }
        if (next_->begins > now)
            return 0;
        give_back(bytes_ - next_->bytes);
        bytes_ = next_->bytes;
        next_.reset();
        ++taken_;
    }
    return bytes_;
}

Allowance::Clock::time_point Allowance::due(Clock::time_point now) const
{
    return std::min(next_->begins, now + longest_sleep);
}

void Allowance::use(std::size_t bytes)
{
    give_back(bytes_ - bytes);
    if (next_)
        limits_[taken_]->give_back(next_->bytes);
    next_.reset();
    taken_ = 0;
    bytes_ = everything;
}

// To those of which there is a turn.
void Allowance::give_back(std::size_t bytes)
{
    for (std::size_t i = 0; i < taken_; ++i)
        limits_[i]->give_back(bytes);
}

namespace {

void change_one(std::shared_ptr<Bandwidth>& limit, std::optional<std::uint64_t> rate)
{
    if (limit)
        limit->change(rate.value_or(0));
    else if (rate)
        limit = std::make_shared<Bandwidth>(*rate, Bandwidth::Use::shared);
    if (!rate)
        limit.reset(); // who comes from now on costs nothing
}

void add_one(std::optional<std::uint64_t> rate, Bandwidths& limits)
{
    if (rate)
        limits.push_back(std::make_shared<Bandwidth>(*rate, Bandwidth::Use::alone));
}

} // namespace

void SharedLimits::change(const Rates& rates)
{
    change_one(up_, rates.up);
    change_one(down_, rates.down);
}

void SharedLimits::add_to(Bandwidths& up, Bandwidths& down) const
{
    if (up_)
        up.push_back(up_);
    if (down_)
        down.push_back(down_);
}

void add_limits(const Rates& rates, Bandwidths& up, Bandwidths& down)
{
    add_one(rates.up, up);
    add_one(rates.down, down);
}

} // namespace tunnel
