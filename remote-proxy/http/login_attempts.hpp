// Addresses from which logins are tried.
#pragma once

#include <cstddef>

#include "common/base/asio.hpp"
#include "common/transport/cidr.hpp"
#include "common/transport/recent_addresses.hpp"

namespace tunnel {

// Each address may try five passwords at once, and then one a second. One that was right does not
// count. Addresses are told apart by subscriber_of(). No I/O, no clock; `now` never goes back.
class LoginAttempts {
public:
    static constexpr int at_once = 5;
    static constexpr Clock::duration between = std::chrono::seconds(1);
    static constexpr std::size_t most_remembered = 16'384;

    explicit LoginAttempts(std::size_t capacity = most_remembered) : recent_(capacity) {}

    // How long until the next may be tried; 0: now.
    Clock::duration wait(const asio::ip::address& address, Clock::time_point now) const;

    // One is tried.
    void count(const asio::ip::address& address, Clock::time_point now);

    // It was right, or was not tried after all.
    void take_back(const asio::ip::address& address);

private:
    struct Tried {
        Clock::time_point until{}; // used up at one a second
    };

    RecentAddresses<Tried> recent_;
};

} // namespace tunnel
