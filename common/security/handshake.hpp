// TLS handshakes between the two proxies.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/asio.hpp"
#include "common/security/hello_gate.hpp"
#include "common/security/key.hpp"
#include "common/security/tls_context.hpp"
#include "common/transport/tls.hpp"

namespace tunnel {

// A key that both ends share, and the identity under which the accepting end finds it.
struct PresharedKey {
    std::string identity; // goes out in clear
    Key key;
};

// One handshake. It must outlive the coroutine of run(). The bytes, records and keys that a peer
// may send are bounded, so that a stranger costs little; see RecordGuard.
class Handshake {
public:
    // The key of an identity that a peer offers; nullopt: unknown.
    using FindKey = std::function<std::optional<Key>(std::string_view identity)>;

    // The dialling end with a key, or with certificates: then the peer's must be for `host`, a name
    // or an address.
    Handshake(const TlsContext& context, int descriptor, PresharedKey key);
    Handshake(const TlsContext& context, int descriptor, const std::string& host);

    // The accepting end.
    Handshake(const TlsContext& context, int descriptor, FindKey find_key);

    // Lets the handshakes of a context decide about keys and hellos.
    static void let_decide(ssl_ctx_st* context);

    // The gate is asked before a hello is answered. It must outlive the handshake.
    void set_gate(HelloGate& gate) { gate_ = &gate; }

    Handshake(const Handshake&) = delete; // the library knows where it is
    Handshake& operator=(const Handshake&) = delete;

    // Throws std::system_error: an Errc with advice, or the socket's error. The caller limits its
    // time by closing the socket.
    awaitable<void> run(tcp::socket& socket);
    awaitable<void> run(asio::posix::stream_descriptor& socket);

    // After run(). The identity of the key that was used; empty: a certificate was used.
    const std::string& identity() const { return identity_; }

    // Whether there was a fresh key exchange.
    bool fresh_exchange() const;

    // The name in the peer's certificate, which has been verified; empty: it showed none.
    std::string certificate_name() const;

    // A key that only the two ends of this connection know (RFC 8446, section 7.5).
    Key exporter(std::string_view label) const;

    // The connection, ready for use.
    Tls take() { return std::move(tls_); }

    // For the library's callbacks.
    const std::optional<PresharedKey>& offer() const { return offer_; }

    std::optional<Key> find_key(std::string_view identity);

    // Counts an identity that the peer has offered. True: the rest are ignored.
    bool has_offered_enough();

    void note_answer(std::string_view header);

    // Decides about a hello; the return value is for SSL_CTX_set_client_hello_cb.
    int on_hello(int& alert);

private:
    // What the gate says of the present hello.
    enum class Admission : std::uint8_t { not_asked, granted, refused };

    enum class Part : std::uint8_t { dials, accepts };

    Handshake(const TlsContext& context, int descriptor, Part part);

    template <class Socket>
    awaitable<void> run_on(Socket& socket);

    void listen_to_answer();
    [[noreturn]] void fail(int reason) const;

    Tls tls_;
    std::optional<PresharedKey> offer_;
    FindKey find_key_;
    HelloGate* gate_ = nullptr;
    HelloGate::Offer hello_offer_;
    Admission admission_ = Admission::not_asked;
    std::string identity_;
    std::optional<Key> found_; // of identity_
    std::string host_;         // whose certificate is expected
    std::string first_answer_; // of the accepting end, for words about what it is instead
    int identities_ = 0;       // that the peer has offered
    const bool accepts_;
};

// The first byte of a TLS connection, RFC 8446 section 5.1; no first byte of ours.
inline constexpr std::uint8_t tls_first_byte = 0x16;

// The alert that a remote proxy without encryption answers TLS with: insufficient_security, as a
// whole record, in which there is a zero.
inline constexpr std::string_view no_encryption_here{"\x15\x03\x03\x00\x02\x02\x47", 7};

} // namespace tunnel
