// What the origin proxy tells of itself.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/base/code.hpp"
#include "common/base/units.hpp"
#include "origin-proxy/link/counts.hpp"

namespace tunnel {

// How it is at one moment.
struct OriginStatus {
    // Of each remote proxy.
    struct Link {
        std::string remote; // the address that was asked for
        bool logged_in = false;
        std::uint64_t log_ins = 0;
        std::optional<microseconds> round_trip{};
        std::size_t visitors = 0; // being connected or served
        std::size_t parked = 0;
        std::string through{}; // the forward proxy on the way there; empty: there is none
    };

    // Where visitors of a service connect to, at one remote proxy.
    struct Outside {
        std::string remote;
        std::string address;
    };

    // Why a service is not open at one remote proxy.
    struct NotOpen {
        std::string remote;
        Code code;
        std::string reason;
    };

    // Whether the origin server of a service is healthy, as it is checked for one remote proxy.
    struct Health {
        std::string remote;
        bool healthy;
    };

    struct Service {
        std::string name;
        std::string origin_server;
        std::vector<Outside> outside{}; // where it is open
        std::vector<Health> health{};   // that is known; empty: it is not checked
        std::vector<NotOpen> not_open{};

        // For every remote proxy for which it is checked; none: for none.
        std::optional<bool> is_healthy() const
        {
            if (health.empty())
                return std::nullopt;
            return std::ranges::all_of(health, &Health::healthy);
        }
    };

    bool stopping = false;
    std::vector<Link> links{};
    std::vector<Service> services{};
    std::size_t visitors = 0; // being connected or served
    std::size_t parked = 0;
    std::vector<std::size_t> relay_loads{}; // pairs of each worker
    OriginCounts counts{};
};

} // namespace tunnel
