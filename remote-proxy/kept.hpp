// What the management interface has changed, to be kept beyond a restart.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "remote-proxy/tunnels.hpp"

namespace tunnel {

// Names in each of the lists of those that are drained.
inline constexpr std::size_t most_drained = 4096;

struct Kept {
    std::vector<PublicTunnel> tunnels{};
    std::set<std::string> drained_services{}; // names
    std::set<std::string> drained_origins{};  // as well

    friend bool operator==(const Kept&, const Kept&) = default;
};

// The text of a state file.
std::string to_text(const Kept& kept);

// What such a text says. Throws std::runtime_error that says what is wrong with it.
Kept parse_kept(std::string_view text);

} // namespace tunnel
