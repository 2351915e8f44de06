// A connection while coroutines work with it.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <system_error>

#include "common/base/asio.hpp"
#include "common/transport/channel.hpp"

namespace tunnel {

// A channel whose socket an io_context watches. asio's socket is twenty times as large as a
// descriptor, so the relay and those who only keep connections have a Channel. While somebody waits
// for it, it must stay where it is.
class AsyncChannel {
public:
    // A plain socket is one too, hence not explicit.
    AsyncChannel(tcp::socket socket, Tls tls = {})
        : socket_(std::move(socket)), tls_(std::move(tls))
    {
    }

    // Throws std::system_error, after which the channel is closed.
    AsyncChannel(asio::io_context& io, const tcp& protocol, Channel channel);

    // Back from the io_context. Throws std::system_error.
    Channel release();

    tcp::socket& socket() { return socket_; }

    const tcp::socket& socket() const { return socket_; }

    bool is_encrypted() const { return static_cast<bool>(tls_); }

    // From here on it is encrypted.
    void encrypt(Tls tls) { tls_ = std::move(tls); }

    // As those of Channel, but that receive() does not know of what was read ahead.
    ssize_t receive(std::span<std::byte> room) { return receive_bytes(descriptor(), tls_, room); }

    ssize_t send(std::span<const std::byte> bytes) { return send_bytes(descriptor(), tls_, bytes); }

    std::error_code send_at_once(std::string_view bytes)
    {
        return tunnel::send_at_once(descriptor(), tls_, bytes);
    }

    int end() { return end_stream(descriptor(), tls_); }

    // After receive(), or send(), has said EAGAIN: until it may do more. Throws std::system_error,
    // operation_aborted if the socket was closed meanwhile.
    awaitable<void> receivable()
    {
        return wait(tls_ && tls_.wants_to_send() ? tcp::socket::wait_write
                                                 : tcp::socket::wait_read);
    }

    awaitable<void> sendable() { return wait(tcp::socket::wait_write); }

    // What was received and belongs to a later reader; the channel keeps it when it is released.
    std::string& read_ahead() { return read_ahead_; }

    // There are bytes for which the socket does not become readable any more.
    bool has_pending() const { return !read_ahead_.empty() || (tls_ && tls_.has_pending()); }

private:
    int descriptor() { return socket_.native_handle(); }

    awaitable<void> wait(tcp::socket::wait_type what)
    {
        return socket_.async_wait(what, use_awaitable);
    }

    tcp::socket socket_;
    Tls tls_;
    std::string read_ahead_;
};

} // namespace tunnel
