// One encrypted connection. All the cryptography is OpenSSL's; this gives it the shape of a socket.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <sys/types.h>
#include <system_error>

struct ssl_st; // OpenSSL's SSL

namespace tunnel {

class RecordGuard;
struct RecordSocket;

// A connection of TLS 1.3, or of 1.2 with a visitor, over a non-blocking TCP socket, which it uses
// but does not own; or nothing, for a connection that is not encrypted. One thread at a time may
// use it.
//
// receive() and send() are recv(2) and send(2): what they did, or -1 and errno. EAGAIN means that
// the socket has to become ready first. The end of the TCP stream alone is ECONNRESET, since
// anybody on the way could have made it; EBADMSG is anything that is no TLS, or was changed on the
// way; EPROTO is a peer that keeps this side busy without sending data, see RecordGuard. So one
// call does a bounded amount of work, whatever the peer sends.
class Tls {
public:
    Tls() = default;

    // Takes the object over, which reads and writes through make_record_socket().
    explicit Tls(ssl_st* ssl) : ssl_(ssl) {}

    explicit operator bool() const { return ssl_ != nullptr; }

    ssl_st* get() const { return ssl_.get(); }

    // 0: the peer has said that it sends no more.
    ssize_t receive(std::span<std::byte> room);

    // The last receive() took all that the socket had; another would say EAGAIN.
    bool drained() const;

    // The peer has said that it sends no more, and receive() has come to that.
    bool has_ended() const;

    // The last receive() could not go on for want of room in the socket: the library has something
    // to say of its own first.
    bool wants_to_send() const;

    // Something was read from the socket that receive() has not given yet: the socket will not
    // become ready for it.
    bool has_pending() const;

    // What receive() has done so far, as the number of bytes that would have taken as long in full
    // records: those that came, and more for each record.
    std::uint64_t work() const;

    // Looks at all that is received.
    RecordGuard& guard() const;

    // What it has begun to send must be sent next: after EAGAIN call it with the same bytes, or
    // more.
    ssize_t send(std::span<const std::byte> bytes);

    // Says that no more will be sent. 0, or -1 and errno as above.
    int end();

    // New keys for what is sent from here on, as RFC 8446 wants it of a connection that carries
    // very much (section 5.5). send() does it by itself in time. TLS 1.2 could only shake hands
    // anew, which is refused here, so its keys stay: no nonce comes twice, but beyond 2^24.5
    // records an attacker's chances to tell what was sent from noise are no longer below 2^-57.
    void update_keys();

private:
    struct Free {
        void operator()(ssl_st* ssl) const;
    };

    ssize_t read(std::span<std::byte> room);
    ssize_t failed(int result);

    RecordSocket& records() const;

    std::unique_ptr<ssl_st, Free> ssl_; // the only member: a connection without TLS pays for one
};

// recv(2) and send(2) without waiting, or as Tls::receive() and Tls::send() if there is one.
ssize_t receive_bytes(int descriptor, Tls& tls, std::span<std::byte> room);
ssize_t send_bytes(int descriptor, Tls& tls, std::span<const std::byte> bytes);

// The end of the stream: TLS's and TCP's. 0, or -1 and errno.
int end_stream(int descriptor, Tls& tls);

// Writes `bytes`, which must be few, to a socket to which nearly nothing was written before: they
// fit its buffer. An error if they do not.
std::error_code send_at_once(int descriptor, Tls& tls, std::string_view bytes);

} // namespace tunnel
