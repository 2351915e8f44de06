// A connection as its owner holds it.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <system_error>

#include "common/base/fd.hpp"
#include "common/transport/tls.hpp"

namespace tunnel {

// One connected, non-blocking socket, what encrypts it, if anything does, and what was read from it
// ahead of its use. It never waits: receive() and send() are recv(2) and send(2), what they did or
// -1 and errno, for an encrypted connection as Tls has them. EBADF: it is closed. Small on purpose,
// since each idle visitor has two in each program: what a plain one does not need costs it a
// pointer.
class Channel {
public:
    Channel() = default;

    // A plain socket is a channel too, hence not explicit.
    Channel(Fd socket, Tls tls = {}, std::string read_ahead = {});

    bool is_open() const { return socket_.is_open(); }

    int descriptor() const { return socket_.get(); }

    bool is_encrypted() const { return more_ && more_->tls; }

    // Only of one that is encrypted.
    Tls& tls() { return more_->tls; }

    const Tls& tls() const { return more_->tls; }

    // First what was read ahead.
    ssize_t receive(std::span<std::byte> room);

    ssize_t send(std::span<const std::byte> bytes)
    {
        Tls none;
        return send_bytes(descriptor(), tls_or(none), bytes);
    }

    // As the function of that name.
    std::error_code send_at_once(std::string_view bytes)
    {
        Tls none;
        return tunnel::send_at_once(descriptor(), tls_or(none), bytes);
    }

    // Sends the end of the stream: TLS's and TCP's. 0, or -1 and errno.
    int end()
    {
        Tls none;
        return end_stream(descriptor(), tls_or(none));
    }

    // The next bytes, as receive() would give them; they stay there. What is seen of an encrypted
    // stream is decrypted, and read ahead; once there are 64 bytes no more is looked for.
    ssize_t peek(std::span<std::byte> room);

    // The same. `ended`: nothing will come behind them, unless a mark of urgent data hides it.
    ssize_t peek(std::span<std::byte> room, bool& ended);

    // Puts back before all others what belongs to a later reader.
    void unread(std::span<const std::byte> bytes);

    bool has_read_ahead() const { return ahead() > 0; }

    std::string take_read_ahead();

    // There are bytes for which the socket does not become readable any more.
    bool has_pending() const { return has_read_ahead() || (is_encrypted() && tls().has_pending()); }

    // More is there than the `seen` bytes that peek() has shown, or receive() has given: a mark of
    // urgent data hides it, as long as the bytes before it are not taken.
    bool hides_more_than(std::size_t seen) const;

    // Takes these out of the socket; they are read ahead.
    void uncover(std::size_t seen);

    // All that it has is let go.
    void close() { *this = Channel(); }

    // Of a plain one, whose bytes have all been read where they were wanted.
    Fd release() { return std::move(socket_); }

private:
    friend class AsyncChannel; // which is the same in another place

    // What most have not.
    struct More {
        Tls tls;
        std::string read_ahead;
    };

    Tls& tls_or(Tls& none) { return more_ ? more_->tls : none; }

    More& more()
    {
        if (!more_)
            more_ = std::make_unique<More>();
        return *more_;
    }

    std::size_t ahead() const { return more_ ? more_->read_ahead.size() : 0; }

    ssize_t read_ahead(std::size_t most);
    ssize_t take_read_ahead(std::span<std::byte> room);
    Tls take_tls();
    void drop_read_ahead(std::size_t size);
    ssize_t decrypt_ahead(std::size_t most);

    Fd socket_;
    std::unique_ptr<More> more_; // null rather than empty
};

// The peer sees a reset ("connection reset by peer"), never an end of the stream.
void reset(Channel& channel);

} // namespace tunnel
