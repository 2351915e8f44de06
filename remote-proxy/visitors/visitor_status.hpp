#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/base/asio.hpp"

namespace tunnel {

// One visitor, as the list of them has it.
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

// Which visitors are asked for. What is not set is not looked at.
struct VisitorFilter {
    std::optional<std::string> service{};
    std::optional<std::string> origin{};
};

} // namespace tunnel
