#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/base/asio.hpp"

namespace tunnel {

// An entry of the list of visitors.
struct VisitorStatus {
    std::uint64_t id = 0;
    std::string address; // "ip:port"
    std::string service;
    std::string origin{}; // the origin proxy's name, as it is shown; empty: none yet
    bool is_relayed = false;
    Clock::duration age{};
    std::uint64_t to_origin = 0; // bytes so far
    std::uint64_t to_visitor = 0;
};

// Selects visitors; fields that are not set match all.
struct VisitorFilter {
    std::optional<std::string> service{};
    std::optional<std::string> origin{};
};

} // namespace tunnel
