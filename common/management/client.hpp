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
// timed_out; then nothing more comes of what was waited for. All bytes pass through read() and
// write(), which take turns with the other connections: what a client sends or asks for without a
// pause keeps nobody else waiting.
class ManagementClient {
public:
    ManagementClient(std::shared_ptr<ManagementTurns> turns, const asio::any_io_executor& executor,
                     Fd socket);

    // Before all else, where it is TLS. Throws std::system_error if the client wants none, or has
    // no certificate where one is asked for. What the handshake costs is taken from the budget.
    awaitable<void> secure(const TlsContext& context, HandshakeBudget& budget,
                           Clock::time_point limit);

    // What has come, until the next call; empty: the client has finished. It is a new turn in which
    // the caller works with it.
    awaitable<std::string_view> read(Clock::time_point limit);

    // A new turn, for more work with what was read before.
    awaitable<void> take_turn(Clock::time_point limit);

    // The caller is about to wait for something else.
    void end_turn();

    awaitable<void> write(std::string bytes, Clock::time_point limit);

    // What is left in the kernel to be sent is thrown away when this ends.
    void reset_at_end();

    // Sends the end of the stream, and gives the client time to read what was written before: to
    // close while it still sends would throw that away. Never throws but when it is cancelled.
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
