#include "common/security/visitor_context.hpp"

#include <algorithm>
#include <array>
#include <new>
#include <stdexcept>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>

#include "common/security/client_hello.hpp"
#include "common/security/fast_aes.hpp"

namespace tunnel {

namespace {

// With the fastest first; a visitor that prefers ChaCha20 gets it, see SSL_OP_PRIORITIZE_CHACHA.
constexpr const char* visitor_suites_aes =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
constexpr const char* visitor_suites_chacha =
    "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384";

// The same of TLS 1.2: with a fresh key exchange, and without CBC.
constexpr const char* visitor_ciphers_aes =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr const char* visitor_ciphers_chacha =
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384";

// The first is known to OpenSSL 3.5 and later: what is recorded today stays secret from quantum
// computers.
constexpr const char* visitor_groups_hybrid = "X25519MLKEM768:X25519:P-256:P-384";
constexpr const char* visitor_groups = "X25519:P-256:P-384";

// Keys and signatures as good as 112 bits, such as RSA of 2048 and no SHA-1: what Debian sets, and
// OpenSSL by itself does not.
constexpr int least_security_level = 2;

// In a hello. Browsers offer one.
constexpr std::size_t most_tickets = 8;

// Anything else, such as HTTP/2 alone, would follow in vain: refused as RFC 7301, section 3.2 says.
int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* size,
                    const unsigned char* offered, unsigned int offered_size, void*)
{
    static constexpr unsigned char http[] = "\x08http/1.1";
    unsigned char* found = nullptr;
    if (SSL_select_next_proto(&found, size, http, sizeof http - 1, offered, offered_size) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *chosen = found;
    return SSL_TLSEXT_ERR_OK;
}

// The name has been chosen by already, and is acknowledged (RFC 6066, section 3).
int acknowledge_name(SSL*, int*, void*)
{
    return SSL_TLSEXT_ERR_OK;
}

// Before OpenSSL looks into a ClientHello: what would cost it too much.
int look_at_visitor_hello(SSL* ssl, int* alert, void*)
{
    const unsigned char* bytes = nullptr;
    std::size_t size = 0;
    try {
        if (!has_too_many_groups(ssl) &&
            (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_psk, &bytes, &size) != 1 ||
             offered_identities({bytes, size}, most_tickets + 1).size() <= most_tickets))
            return SSL_CLIENT_HELLO_SUCCESS;
    } catch (const std::bad_alloc&) { // which must not go through the library
    }
    *alert = SSL_AD_ILLEGAL_PARAMETER;
    return SSL_CLIENT_HELLO_ERROR;
}

struct FreeContext {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};

} // namespace

ssl_ctx_st* make_visitor_context(std::shared_ptr<TicketKeys> tickets)
{
    std::unique_ptr<SSL_CTX, FreeContext> made(SSL_CTX_new(TLS_server_method()));
    SSL_CTX* const context = made.get();
    const bool fast_aes = has_fast_aes();
    if (context == nullptr || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_ciphersuites(context, fast_aes ? visitor_suites_aes : visitor_suites_chacha) !=
            1 ||
        SSL_CTX_set_cipher_list(context, fast_aes ? visitor_ciphers_aes : visitor_ciphers_chacha) !=
            1)
        throw std::runtime_error("libssl cannot do TLS 1.2 and 1.3");
    if (SSL_CTX_set1_groups_list(context, visitor_groups_hybrid) != 1 &&
        SSL_CTX_set1_groups_list(context, visitor_groups) != 1)
        throw std::runtime_error("libssl cannot do X25519");
    ERR_clear_error();
    SSL_CTX_set_security_level(context,
                               std::max(least_security_level, SSL_CTX_get_security_level(context)));
    // Not SSL_OP_IGNORE_UNEXPECTED_EOF: a stream that is cut must not look whole. Early data, which
    // could be replayed, is off unless its size is set.
    SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                     SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF); // tickets need none
    SSL_CTX_set_timeout(
        context,
        static_cast<long>(
            std::chrono::duration_cast<std::chrono::seconds>(2 * TicketKeys::turn).count()));
    TicketKeys::use(context, std::move(tickets));
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, nullptr);
    SSL_CTX_set_tlsext_servername_callback(context, acknowledge_name);
    SSL_CTX_set_client_hello_cb(context, look_at_visitor_hello, nullptr);
    // A visitor who comes often gets a new one each time.
    SSL_CTX_set_num_tickets(context, 1);
    // As those of TlsContext; and what is in the file is shown, without a search for more of it in
    // each handshake.
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN);
    return made.release();
}

// The library resumes no session of another context of sessions, in TLS 1.2 and 1.3. By itself it
// compares names in TLS 1.2 alone, and resumes nevertheless.
void bind_tickets_to(ssl_st* ssl, std::string_view name)
{
    std::array<unsigned char, SSL_MAX_SID_CTX_LENGTH> digest{};
    static_assert(digest.size() == 32); // SHA-256
    if (EVP_Digest(name.data(), name.size(), digest.data(), nullptr, EVP_sha256(), nullptr) != 1 ||
        SSL_set_session_id_context(ssl, digest.data(), digest.size()) != 1)
        throw std::bad_alloc();
}

} // namespace tunnel
