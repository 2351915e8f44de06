// Plain blocking sockets for tests: the visitor, the origin server and peers played by hand. Every
// wait has a limit, after which it throws.
#pragma once

#include <array>
#include <functional>
#include <string>
#include <string_view>

#include "common/base/asio.hpp"
#include "common/base/fd.hpp"
#include "common/protocol/frame.hpp"

namespace tunnel::test {

// How a stream came to its end, as the reader sees it.
enum class Ending : std::uint8_t { end_of_stream, reset, silence };

// The next frame that is no heartbeat, of bytes that `receive` gives.
Frame frame_from(const std::function<std::string(std::size_t)>& receive);

class Stream {
public:
    explicit Stream(Fd socket);

    // Throws std::system_error when refused.
    static Stream connect(const tcp::endpoint& endpoint);

    // Throws std::system_error, broken_pipe or connection_reset if the peer is gone.
    void send(std::string_view bytes);
    void send(const Frame& frame);

    // Exactly `size` bytes; throws if the stream ends before or is silent for too long.
    std::string receive(std::size_t size);

    // Everything up to the end of the stream; throws on a reset.
    std::string receive_all();

    // The next frame that is no heartbeat.
    Frame receive_frame();

    template <class Kind>
    Kind receive_frame()
    {
        return std::get<Kind>(receive_frame());
    }

    // Reads and drops what comes until the stream ends, or nothing comes for `limit`.
    Ending ending(std::chrono::milliseconds limit = std::chrono::seconds(10));

    // Whether something can be read, or the stream has ended, within `limit`.
    bool readable_within(std::chrono::milliseconds limit) const;

    // Sends the end of the stream; receiving goes on.
    void finish();

    // Closes with a reset.
    void reset();

    tcp::endpoint local() const;

    int descriptor() const { return socket_.get(); }

    Fd release() { return std::move(socket_); }

private:
    Fd socket_;
};

// A listening socket on a free port of 127.0.0.1.
class Server {
public:
    Server();
    explicit Server(const tcp::endpoint& endpoint);

    explicit Server(Fd listening) : socket_(std::move(listening)) {}

    tcp::endpoint endpoint() const;

    // Throws if nobody connects in time.
    Stream accept();

    bool pending_within(std::chrono::milliseconds limit) const;

    int descriptor() const { return socket_.get(); }

private:
    Fd socket_;
};

// A listening socket on 127.0.0.1 whose queue is full: connecting to it gets no answer.
class DeafServer {
public:
    DeafServer();

    tcp::endpoint endpoint() const;

private:
    Fd socket_;
    std::array<Fd, 3> queue_;
};

// Two ends of one TCP connection over loopback.
struct Connected {
    Stream here;
    Stream there;
};

Connected connected();

// The same over a Unix socket.
Connected connected_unix();

// Repeats `condition` until it holds; false if it does not within ten seconds.
template <class Condition>
bool eventually(const Condition& condition);

// `size` bytes that never repeat in a short cycle, the same for the same seed.
std::string random_text(std::size_t size, std::uint32_t seed);

// Open descriptors of this process.
std::size_t open_descriptors();

} // namespace tunnel::test

#include <thread>

template <class Condition>
bool tunnel::test::eventually(const Condition& condition)
{
    const auto limit = Clock::now() + std::chrono::seconds(10);
    while (!condition()) {
        if (Clock::now() > limit)
            return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return true;
}
