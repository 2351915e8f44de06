// Connecting to somebody who may have several addresses.
#pragma once

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "common/base/asio.hpp"
#include "common/base/fd.hpp"
#include "common/transport/congestion.hpp"

namespace tunnel {

// The order in which to try them: as they are, but with the address families in turn, beginning
// with the first one's (RFC 8305, section 4).
std::vector<tcp::endpoint> interleave(const std::vector<tcp::endpoint>& endpoints);

// A connected socket, non-blocking; its other options are for the caller to set.
struct Dialled {
    Fd socket;
    tcp::endpoint peer;
};

// One attempt, which never waits: only an endpoint of this machine answers within the call. Safe
// from any thread. `error`: why there is no socket, operation_in_progress if there was no answer.
Fd connect_at_once(const tcp::endpoint& endpoint, const Congestion& congestion, Hop hop,
                   std::error_code& error);

// Connects to one of several endpoints, in interleaved order: the next is tried when the one before
// has failed or has not answered for 250 ms, and the first to succeed wins (RFC 8305, section 5).
// Where there are so many that the last would have no time left, they follow each other faster.
// Its destruction ends the attempts that are under way.
class Dial {
public:
    // Makes the first attempts at once: what this machine can decide by itself is then decided.
    // `congestion` is for a connection that leads over `hop`.
    Dial(asio::any_io_executor executor, const std::vector<tcp::endpoint>& endpoints,
         Clock::duration limit, const Congestion& congestion = Congestion::off(),
         Hop hop = Hop::edge);

    // One that has succeeded already.
    explicit Dial(Dialled connected) : connected_(std::move(connected)) {}

    Dial(Dial&& other) noexcept;
    Dial& operator=(Dial&&) = delete;
    ~Dial();

    // finish() will not wait.
    bool decided() const;

    // The connection, if there is one already; then instead of finish().
    std::optional<Dialled> take_connected() { return std::exchange(connected_, std::nullopt); }

    // Call it once; the object must outlive it. Throws std::system_error when all have failed, with
    // the failure of the first, or timed_out when none succeeded within the limit.
    awaitable<Dialled> finish();

private:
    struct Race;

    std::optional<Dialled> connected_; // at once, so that there is no race
    std::shared_ptr<Race> race_;       // shared with the waits of its attempts
};

} // namespace tunnel
