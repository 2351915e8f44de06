// The long-lived connection between the two proxies, as either of them sees it after the first
// frame.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "common/base/asio.hpp"
#include "common/protocol/wire.hpp"

namespace tunnel {

// Sends what is posted, in order, several frames with one write when they come together; sends
// heartbeats, answers probes, and gives the connection up when the peer is silent for too long.
class ControlConnection {
public:
    struct Heartbeats {
        std::chrono::milliseconds interval; // send one this often
        std::chrono::milliseconds timeout;  // receive something this often
    };

    // Frames that the peer does not take pile up to this many bytes, then the connection ends.
    static constexpr std::size_t largest_outbox = 1024 * 1024;

    ControlConnection(AsyncChannel channel, Heartbeats heartbeats);

    // Runs until the connection ends, and throws the std::system_error it ended with. `on_frame` is
    // called for every frame, heartbeats too, between two waits. Call it once; the object must
    // outlive it.
    awaitable<void> run(std::function<void(Frame&)> on_frame);

    // Queues a frame. After the end it does nothing.
    void post(const Frame& frame);

    // Sends what is queued and a goodbye, then ends; after five seconds in any case.
    void finish(Reason reason);

    // Ends at once: run() throws `error`, with `what` before its message. Only the first end
    // counts.
    void end(std::error_code error, std::string what = {});

    // The peer gives up after hearing nothing for this long; heartbeats are sent often enough, but
    // never more than ten a second for its sake.
    void set_peer_timeout(std::chrono::milliseconds timeout);

    // How many frames have come so far.
    std::uint64_t received() const { return received_; }

    tcp::endpoint peer() const { return peer_; }

    // The goodbye that finish() was asked to say; empty: it was not.
    const Reason& farewell() const { return farewell_; }

    // What the kernel takes the round trip to the peer to be; nullopt: it does not know.
    std::optional<std::chrono::microseconds> round_trip() const;

private:
    awaitable<void> receive(std::function<void(Frame&)>& on_frame);
    void on_probe();
    awaitable<void> transmit();
    awaitable<void> keep_alive();

    AsyncChannel channel_;
    tcp::endpoint peer_;
    Heartbeats heartbeats_;
    FrameReader reader_;
    std::string outbox_;
    Signal outbox_filled_;
    Signal heart_;
    Clock::time_point last_received_;
    Clock::time_point probe_answered_{}; // the latest one
    bool probe_waits_ = false;           // for its answer
    std::uint64_t received_ = 0;
    std::optional<Clock::time_point> finish_by_; // if it is about to end
    Reason farewell_;
    bool ended_ = false;
    std::error_code end_error_;
    std::string end_what_;
};

} // namespace tunnel
