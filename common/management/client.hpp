// The connection of one client of the management interface.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>

#include "common/base/asio.hpp"
#include "common/base/fd.hpp"
#include "common/management/turns.hpp"
#include "common/security/handshake.hpp"
#include "common/security/handshake_budget.hpp"
#include "common/transport/tls.hpp"

namespace tunnel {

// TCP or a Unix socket. Each wait has a limit, after which it throws std::system_error with
// timed_out and is cancelled. All bytes pass through read() and write(), which take turns with the
// other connections: a client that sends without a pause makes nobody else wait.
class ManagementClient {
public:
    ManagementClient(std::shared_ptr<ManagementTurns> turns, const asio::any_io_executor& executor,
                     Fd socket);

    // The TLS handshake, before anything else. Throws std::system_error if the client does not
    // speak TLS, or has no certificate where one is required. Its cost is taken from the budget.
    awaitable<void> secure(const TlsContext& context, HandshakeBudget& budget,
                           Clock::time_point limit);

    // The bytes received, valid until the next call; empty: the client has finished. Begins a turn,
    // in which the caller handles them.
    awaitable<std::string_view> read(Clock::time_point limit);

    // Begins a turn, to handle more of what was read before.
    awaitable<void> take_turn(Clock::time_point limit);

    // Ends the turn: the caller is about to wait for something else.
    void end_turn();

    awaitable<void> write(std::string bytes, Clock::time_point limit);

    // Unsent data in the kernel is discarded when this is destroyed.
    void reset_at_end();

    // Ends the stream and gives the client time to read: closing while it still sends would discard
    // what was written. Throws only when cancelled.
    awaitable<void> finish(Clock::time_point limit);

private:
    awaitable<void> take_turn();
    awaitable<std::error_code> ready(bool to_write);

    std::shared_ptr<ManagementTurns> turns_;
    bool has_turn_ = false;
    asio::posix::stream_descriptor socket_;
    Tls tls_; // nothing, if it is not encrypted
    std::array<char, 16 * 1024> buffer_;
};

} // namespace tunnel
