// A listening port that can be shut and opened again without being given up.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/asio.hpp"
#include "common/base/fd.hpp"
#include "common/transport/congestion.hpp"
#include "common/transport/given_sockets.hpp"

namespace tunnel {

// Bound for its whole life. Open, it takes connections; shut, connecting to it is refused by the
// kernel, and no other program can take the port.
class Listener {
public:
    struct Accepted {
        Fd socket; // non-blocking, close-on-exec
        tcp::endpoint peer;
    };

    // Binds, but does not listen yet. Throws std::system_error that names the address. What it
    // accepts came over `hop`, and has the options of set_stream_options(); from an edge, of
    // prepare_stream().
    Listener(asio::io_context& io, const tcp::endpoint& endpoint,
             const Congestion& congestion = Congestion::off(), Hop hop = Hop::edge);

    // Takes one over that is bound already, and may listen; others share it until own().
    Listener(asio::io_context& io, Fd bound, const Congestion& congestion = Congestion::off(),
             Hop hop = Hop::edge);

    // With the real port where 0 was asked for.
    tcp::endpoint endpoint() const { return endpoint_; }

    // Throws std::system_error that names the address.
    void open();

    // Connections that nobody has accepted yet are reset.
    void shut();

    // Gives the address up, for good; another process that shares it goes on.
    void close();

    // Takes nobody until resume(): whoever connects stays in the kernel's queue, for this process
    // or for another that shares the socket.
    void pause();
    void resume();

    // Nobody else has the socket any more that was taken over.
    void own() { shared_ = false; }

    // Unless it has been opened since, those who wait are refused.
    void shut_unless_open();

    int descriptor() { return acceptor_.native_handle(); }

    bool is_open() const { return open_; }

    bool is_closed() const { return closed_; }

    // Returns when a connection may be there, or when the listener was shut or closed.
    awaitable<void> wait();

    // The next connection, without waiting; nullopt with `error` would_block when there is none,
    // with another error when the system could not hand it out.
    std::optional<Accepted> accept(std::error_code& error);

private:
    void prepare();
    void stop_listening();

    tcp::acceptor acceptor_;
    tcp::endpoint endpoint_;
    Congestion congestion_;
    Hop hop_;
    bool open_ = false;
    bool closed_ = false;
    bool paused_ = false;
    bool shared_ = false;
    std::uint64_t pauses_ = 0;
    std::unique_ptr<Signal> resumed_; // null: it was never paused
};

// Where a socket may come from, and for what; both must outlive the call.
struct GivenFor {
    GivenSockets& given;
    std::string_view use;
};

// One at the address: the socket that was given for it, or a new one. Throws std::system_error that
// names the address.
Listener listener_at(asio::io_context& io, const tcp::endpoint& endpoint, GivenFor from,
                     const Congestion& congestion, Hop hop);

// What a listener of a service is for.
std::string use_of_service(std::string_view service);

// Whether accept() may be tried again at once after `error`: that connection is gone, the next one
// may be fine. After other errors (no descriptors, no memory) trying at once would only spin.
bool concerns_one_connection(const std::error_code& error);

} // namespace tunnel
