// How many bytes may cross in a second: limits that directions of the relay keep, alone or
// together.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace tunnel {

// Bytes a second, none: no limit. Up is from visitors to the origin server, down is to visitors.
struct Rates {
    std::optional<std::uint64_t> up;
    std::optional<std::uint64_t> down;

    friend bool operator==(const Rates&, const Rates&) = default;
};

// Those of one service.
struct ServiceRates {
    Rates together; // of all its visitors
    Rates each;     // of each of them

    friend bool operator==(const ServiceRates&, const ServiceRates&) = default;
};

// One limit. Any number of directions on any threads keep it together, each of them in turn: the
// turns follow each other in the order in which they were asked for, so whoever always has more to
// send gets as much as the next one. No lock: all that is shared is the time up to which the rate
// is given away (the generic cell rate algorithm, ITU-T I.371).
class Bandwidth {
public:
    using Clock = std::chrono::steady_clock;

    // Who has it alone takes longer turns, and all that was left unused at once: nobody else waits.
    enum class Use : std::uint8_t { alone, shared };

    // So much of what was not used may be caught up with. It is how late a busy machine may be
    // without loss, and over five seconds a hundredth too much at most.
    static constexpr Clock::duration memory = std::chrono::milliseconds(50);

    // `bytes_per_second` as for change().
    Bandwidth(std::uint64_t bytes_per_second, Use use);

    struct Turn {
        Clock::time_point begins; // it may be past
        std::size_t bytes = 0;    // at least 1
    };

    // At most `most` bytes, which must not be 0.
    Turn take_turn(Clock::time_point now, std::size_t most);

    // Those of a turn that were not needed after all.
    void give_back(std::size_t bytes);

    // From any thread. 0: no limit any more. Turns that were taken before are void.
    void change(std::uint64_t bytes_per_second);

    // How often it has been changed.
    std::uint32_t changes() const { return changes_; }

private:
    // At this rate, or the one that holds.
    static std::int64_t time_for(std::size_t bytes, std::uint64_t rate);

    std::int64_t time_for(std::size_t bytes) const { return time_for(bytes, rate_); }

    const Use use_;
    std::atomic<std::uint64_t> rate_;
    std::atomic<std::int64_t> given_away_until_ = 0; // ns of the clock
    std::atomic<std::uint32_t> changes_ = 0;
};

using Bandwidths = std::vector<std::shared_ptr<Bandwidth>>;

// Of one pair, for its two directions.
struct PairLimits {
    Bandwidths first_to_second;
    Bandwidths second_to_first;
};

// What one direction may move under several limits. It takes a turn of each, one after the other,
// so that it keeps no turn of a shared limit while it waits for one that it has alone.
class Allowance {
public:
    using Clock = Bandwidth::Clock;

    explicit Allowance(Bandwidths limits) : limits_(std::move(limits)) {}

    Allowance(const Allowance&) = delete;
    Allowance& operator=(const Allowance&) = delete;

    // Gives its turns back.
    ~Allowance() { use(0); }

    // As many bytes as may be moved at this time; 0: none, until due() at least. Each answer that
    // is not 0 must be followed by use().
    std::size_t bytes(Clock::time_point now);

    // When to ask again, after a 0 at `now`.
    Clock::time_point due(Clock::time_point now) const;

    // How many of them were.
    void use(std::size_t bytes);

private:
    void give_back(std::size_t bytes);

    // More than any turn.
    static constexpr std::size_t everything = std::size_t{1} << 30U;

    Bandwidths limits_;
    std::size_t taken_ = 0; // of the first so many limits there is a turn, and it has begun
    std::size_t bytes_ = everything;      // the least of them
    std::optional<Bandwidth::Turn> next_; // of the limit after those, as it was after `changes_`
    std::uint32_t changes_ = 0;
};

// The two limits of a service or of an origin proxy, for all its visitors together.
class SharedLimits {
public:
    SharedLimits() = default;

    explicit SharedLimits(const Rates& rates) { change(rates); }

    // Other rates hold at once for those who are being served under a limit; one that is new holds
    // for who comes after it.
    void change(const Rates& rates);

    // To those of a pair, one of whose directions is `up` and the other one `down`.
    void add_to(Bandwidths& up, Bandwidths& down) const;

private:
    std::shared_ptr<Bandwidth> up_;
    std::shared_ptr<Bandwidth> down_;
};

// Those of one visitor alone.
void add_limits(const Rates& rates, Bandwidths& up, Bandwidths& down);

} // namespace tunnel
