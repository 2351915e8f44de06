// What a remote proxy tells the one that takes over from it.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "remote-proxy/registry/saved_state.hpp"

namespace tunnel {

// Services by their lasting names.
struct FormerState {
    SavedState saved{};                         // what the management interface has changed
    std::set<std::string> open{};               // visitors can connect to them
    std::set<std::string> offered{};            // by origin proxies, among those
    std::map<std::string, std::string> hosts{}; // that were chosen for their origin proxies

    friend bool operator==(const FormerState&, const FormerState&) = default;
};

std::string to_text(const FormerState& state);

// Throws std::runtime_error that says what is wrong with the text. Members that are not known are
// skipped.
FormerState parse_former_state(std::string_view text);

} // namespace tunnel
