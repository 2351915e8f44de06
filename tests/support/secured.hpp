// The two ends of an encrypted connection, as the proxies have them after their handshake.
#pragma once

#include <optional>

#include "common/security/handshake.hpp"
#include "common/transport/channel.hpp"

namespace tunnel::test {

// Both sockets are non-blocking and prepared as for the relay.
struct Secured {
    Channel dialled;
    Channel accepted;
};

// `buffers`: of what is sent, in bytes, or the least that the kernel allows. Small ones for what is
// received would make TCP wait for its timers.
Secured secured(std::optional<int> buffers = {});

// How the two ends of a handshake saw it.
struct Shaken {
    std::string dialled; // what it threw, empty if it went well
    std::string accepted;
    std::error_code dialled_code{};
    std::error_code accepted_code{};
};

// Runs both to their ends, over sockets of theirs; one that fails closes its own. Ten seconds at
// most, then it throws.
Shaken shake(asio::io_context& io, Handshake& dials, tcp::socket& dialled, Handshake& accepts,
             tcp::socket& accepted);

// A pre-shared key that is good for nothing else.
PresharedKey some_key();

// Finds that one key.
Handshake::FindKey knows(const PresharedKey& key);

} // namespace tunnel::test
