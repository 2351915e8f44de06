// What a reload comes to.
#pragma once

#include <string>
#include <vector>

#include "common/options/option_values.hpp"
#include "common/options/options.hpp"

namespace tunnel {

struct ReloadReport {
    std::string problems{}; // a line for each; then nothing has changed
    std::vector<OptionChange> changes{};
};

// After a reload has gone well: applies what is common to both programs, logs what has changed and
// warns of what needs a restart, and makes `fresh.values` those that are in force. Answers the
// changes.
std::vector<OptionChange> finish_reload(const CommonOptions& running, CommonOptions& fresh);

} // namespace tunnel
