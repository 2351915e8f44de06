// Addresses from which somebody tries to log in and fails.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "common/base/asio.hpp"
#include "common/transport/cidr.hpp"
#include "common/transport/recent_addresses.hpp"

namespace tunnel {

// They are slowed first, and then refused for a while unless they show a good key. Addresses are
// told apart by subscriber_of().
// No I/O, no clock; `now` never goes back.
class FailedLogIns {
public:
    static constexpr std::size_t forgiven = 3;  // failures within `window` that are not slowed
    static constexpr std::size_t tolerated = 9; // with the next one the address is blocked
    static constexpr Clock::duration window = std::chrono::minutes(1);
    static constexpr Clock::duration block = std::chrono::minutes(1); // how long
    static constexpr Clock::duration shortest_delay = std::chrono::milliseconds(250);
    static constexpr Clock::duration longest_delay = std::chrono::seconds(4);

    // Addresses that are remembered at most, those that failed last. Whoever makes one go before
    // its time has failed from that many others within a minute: who has so many addresses can try
    // ten times from each anyway, and is not what this holds off. That is what the secret is long
    // for; this spares the log, and the work of looking at what a single stranger sends. 15 MB.
    static constexpr std::size_t most_remembered = 65'536;

    // Whoever comes from `trusted` networks is slowed, and never blocked: it may be an address that
    // has many behind it (a proxy in front, this machine).
    explicit FailedLogIns(std::vector<Cidr> trusted = loopback_networks(),
                          std::size_t capacity = most_remembered);

    // Other networks are trusted from now on.
    void trust(std::vector<Cidr> networks) { trusted_ = std::move(networks); }

    // A log-in has failed. How long to wait before it is answered: 0 for the first three within a
    // minute, then 250 ms and with each twice as long, up to 4 s.
    Clock::duration failed(const asio::ip::address& address, Clock::time_point now);

    // How long to wait before listening to the next from this address: what failed() said last, 0
    // once that was a minute ago.
    Clock::duration delay(const asio::ip::address& address, Clock::time_point now) const;

    // Forgets the failures.
    void succeeded(const asio::ip::address& address);

    // How long it is still blocked, so that nobody is let in from there but by a good key: there
    // were ten failures within a minute, the last of them not a minute ago. 0: it is not.
    Clock::duration blocked_for(const asio::ip::address& address, Clock::time_point now) const;

    std::size_t remembered() const { return recent_.size(); }

private:
    struct Failures {
        Failures() { last.fill(Clock::time_point::min()); }

        std::array<Clock::time_point, tolerated + 1> last; // by age, the oldest first
        Clock::time_point blocked_until = Clock::time_point::min();
        Clock::duration delay{0};
    };

    std::vector<Cidr> trusted_;
    RecentAddresses<Failures> recent_; // by the time of the last failure
};

} // namespace tunnel
