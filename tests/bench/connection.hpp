// A socket, with TLS on it where that is wanted.
#pragma once

#include <cstddef>
#include <memory>
#include <openssl/ssl.h>
#include <span>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <utility>

#include "tests/bench/socket.hpp"

namespace bench {

struct FreeTlsContext {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};

using TlsContext = std::unique_ptr<SSL_CTX, FreeTlsContext>;

// TLS 1.3 with one cipher and one group, so that every server does the same work; each handshake is
// a full one, and no certificate is verified. Throws std::runtime_error, as does the next.
TlsContext client_tls();

// `certificate`: a file with one and its key, PEM.
TlsContext server_tls(const std::string& certificate);

// Works with blocking and non-blocking sockets. The TLS handshake is part of the first calls.
// For TLS the process must ignore SIGPIPE.
class Connection {
public:
    Connection() = default;

    explicit Connection(Fd socket) : socket_(std::move(socket)) {}

    Connection(Connection&&) noexcept = default;
    Connection& operator=(Connection other) noexcept;
    ~Connection() = default; // with TLS, says first that this is the end

    // From here on with TLS; the context must outlive all calls. False if that cannot be.
    bool become_client(SSL_CTX& context);
    // `received`: what was read from the socket already.
    bool become_server(SSL_CTX& context, std::string_view received);

    bool is_open() const { return socket_.is_open(); }

    bool is_tls() const { return tls_ != nullptr; }

    int fd() const { return socket_.get(); }

    // As send(2) and recv(2), with errno; EPROTO is an error of TLS.
    ssize_t send(std::span<const char> bytes);
    ssize_t receive(std::span<char> bytes);

    // Whether receive() may have bytes of which epoll knows nothing.
    bool may_hold_more() const { return tls_ && SSL_has_pending(tls_.get()) == 1; }

    // For a blocking socket: takes a byte if one is there, or the end; does not wait for one.
    bool take_byte_if_ready();

    // False with errno set; errno is 0 where the peer finished too early.
    bool send_all(std::span<const char> bytes);
    bool receive_all(std::span<char> bytes);

private:
    struct EndTls {
        void operator()(SSL* tls) const;
    };

    bool start_tls(SSL_CTX& context);
    ssize_t outcome(int result);

    Fd socket_;
    std::unique_ptr<SSL, EndTls> tls_; // ends before the socket
};

} // namespace bench
