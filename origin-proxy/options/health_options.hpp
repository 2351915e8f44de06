// How the health of an origin server is checked.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/units.hpp"

namespace tunnel {

struct HealthCheck {
    enum class Kind : std::uint8_t {
        off,
        tcp,  // it takes a connection
        http, // and answers GET `path` with 2xx or 3xx
    };

    Kind kind = Kind::off;
    std::string path{}; // begins with a slash, and can stand in a request
    milliseconds interval = std::chrono::seconds(5);
    milliseconds timeout = std::chrono::seconds(2);
    // So many in a row make it unhealthy, or healthy again.
    std::uint32_t failures = 3;
    std::uint32_t successes = 2;

    friend bool operator==(const HealthCheck&, const HealthCheck&) = default;
};

inline constexpr std::string_view health_check_syntax = "off, tcp, http or http:/path";

// Puts what `text` says into `check`, whose numbers stay. Throws std::invalid_argument.
void read_health_check(std::string_view text, HealthCheck& check);

} // namespace tunnel
