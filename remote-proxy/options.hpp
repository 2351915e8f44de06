// What the remote proxy can be told.
#pragma once

#include <optional>

#include "common/options.hpp"
#include "remote-proxy/visitor_limits.hpp"

namespace tunnel {

struct RemoteOptions {
    CommonOptions common;
    TrustOptions trust;
    Address control_address;
    Address outside_address;
    milliseconds pairing_timeout = std::chrono::seconds(10);
    std::uint32_t max_waiting = 4096;
    VisitorRules visitor_rules;
    // Not flags: what the tests make shorter.
    milliseconds handshake_timeout = std::chrono::seconds(5);
    milliseconds probe_timeout = std::chrono::seconds(2);
    // Descriptors that the process may have open.
    std::size_t descriptor_limit = 1024;
};

// Fills `options` from the command line and the environment. nullopt: go on; else the exit code.
std::optional<int> parse(int argc, const char* const* argv, RemoteOptions& options);

} // namespace tunnel
