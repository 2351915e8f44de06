// The line on stdout that says that a program is ready.
#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "common/base/log.hpp"

namespace tunnel {

struct ReadyLine {
    using Pairs = std::vector<std::pair<std::string, std::string>>;

    Pairs facts;    // such as control=192.0.2.1:9001
    Pairs services; // name and outside address
};

// "ready control=… web=…", or an object with time, level, the message "ready", the facts, and the
// services in an object of their own, since they may have any name. Without its end of line.
std::string render(const ReadyLine& line, log::Format format,
                   std::chrono::system_clock::time_point time);

} // namespace tunnel
