// TLS over a plain blocking socket, by OpenSSL's own means and none of ours: a peer played by hand,
// who may do what no proxy would.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/security/handshake.hpp"
#include "tests/support/stream.hpp"

struct ssl_st;         // OpenSSL's SSL
struct ssl_ctx_st;     // OpenSSL's SSL_CTX
struct ssl_session_st; // OpenSSL's SSL_SESSION

namespace tunnel::test {

enum class TlsEnd : std::uint8_t { dials, accepts };

// What a peer played by hand has, knows and does.
struct TlsPeer {
    std::optional<PresharedKey> key{}; // the accepting end takes this one identity only
    bool fresh_exchange = true;
    CertificateFiles certificate{};
    bool only_tls_1_2 = false;
    const char* groups = nullptr; // of key exchanges; null: what fresh_exchange says
    // What a browser has beside.
    bool only_tls_1_1 = false;
    std::string server_name{};
    std::string_view protocols{};              // as they are in a hello
    const char* signatures = nullptr;          // as for SSL_CTX_set1_sigalgs_list()
    std::shared_ptr<ssl_session_st> session{}; // to be resumed
};

class TlsStream {
public:
    // Shakes hands; throws std::runtime_error with the library's words. It checks no certificates.
    TlsStream(Stream stream, TlsEnd end, TlsPeer peer);

    void send(std::string_view bytes);
    void send(const Frame& frame);

    // Exactly `size` bytes; throws std::runtime_error if the stream ends before, or is silent for
    // too long.
    std::string receive(std::size_t size);

    // Everything up to the end that the peer has said; throws if it did not say so.
    std::string receive_all();

    Frame receive_frame();

    template <class Kind>
    Kind receive_frame()
    {
        return std::get<Kind>(receive_frame());
    }

    // end_of_stream only if the peer has said so; a mere end of the TCP stream is reset.
    Ending ending();

    // Says that there is no more, to TLS and to TCP.
    void finish();

    // To TCP only, as somebody on the way could do it.
    void cut() { stream_.finish(); }

    void reset() { stream_.reset(); }

    Key exporter(std::string_view label) const;

    // With a pre-shared key or a ticket.
    bool with_key() const;

    // What can be resumed, once all that the other end sends with its handshake has been received.
    std::shared_ptr<ssl_session_st> session() const;

    // The common name in the other end's certificate.
    std::string peer_name() const;

    // The chosen one; empty: none.
    std::string protocol() const;

    // Asks for another handshake, which TLS 1.3 does not know; answers what came of it.
    bool renegotiate();

    ssl_st* get() { return ssl_.get(); }

    // Sends a record that holds a key update and nothing else.
    void update_keys();

    Stream& below() { return stream_; }

private:
    struct Free {
        void operator()(ssl_st* ssl) const;
        void operator()(ssl_ctx_st* context) const;
    };

    [[noreturn]] static void fail(const char* what);

    Stream stream_;
    std::unique_ptr<TlsPeer> peer_; // for the library's callbacks
    std::unique_ptr<ssl_ctx_st, Free> context_;
    std::unique_ptr<ssl_st, Free> ssl_;
};

// A connection of the session that `control` was welcomed to: its pre-shared key.
PresharedKey key_of_data(const TlsStream& control, const SessionId& session,
                         const RandomBytes& once);

} // namespace tunnel::test
