// Log lines of a status, no more than a person would read.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <vector>

#include "common/base/log.hpp"

namespace tunnel {

inline constexpr std::size_t most_status_lines = 50; // of each kind

// Calls `log_one` for the first entries, and logs how many more there are.
template <class Each, class LogOne>
void log_first(const std::vector<Each>& all, std::string_view what, const LogOne& log_one)
{
    const std::size_t shown = std::min(all.size(), most_status_lines);
    for (std::size_t i = 0; i < shown; ++i)
        log_one(all[i]);
    if (shown < all.size())
        log::info("status: and more", {{"of", what}, {"count", all.size() - shown}},
                  log::Limit::none);
}

} // namespace tunnel
