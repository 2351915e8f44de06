#include "common/security/tls_context.hpp"

#include <stdexcept>

#include <openssl/ssl.h>

#include "common/security/fast_aes.hpp"
#include "common/security/handshake.hpp"

namespace tunnel {

namespace {

// Who has the instructions for it is as fast with the first, who has not needs the second. Both are
// of SHA-256, as a pre-shared key has to be.
constexpr const char* aes_first = "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256";
constexpr const char* chacha_first = "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256";

// The accepting end knows this group alone. A data connection offers another, so that there is none
// in common: the one way to make OpenSSL 3.0 do without a key exchange (psk_ke, RFC 8446 section
// 4.2.9), which both ends otherwise only prefer not to. P-256 is the fastest to offer in vain.
constexpr const char* exchange_group = "X25519";
constexpr const char* group_of_nobody = "P-256";

void load(SSL_CTX* context, const CertificateFiles& files)
{
    KeyedCertificate::read(files).use_in(context);
}

// Also as those whose certificates a client is asked for.
void load_authorities(SSL_CTX* context, const std::string& path, bool asks_clients)
{
    for (const CertificatePtr& each : read_authorities(path)) {
        if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context), each.get()) != 1 ||
            (asks_clients && SSL_CTX_add_client_CA(context, each.get()) != 1))
            cannot_use_authorities(path);
    }
}

} // namespace

void TlsContext::Free::operator()(ssl_ctx_st* context) const
{
    SSL_CTX_free(context);
}

TlsContext::TlsContext(ssl_ctx_st* context) : context_(context)
{
    if (context == nullptr)
        throw std::runtime_error("libssl cannot do TLS 1.3");
    SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
    SSL_CTX_set_ciphersuites(context, has_fast_aes() ? aes_first : chacha_first);
    SSL_CTX_set1_groups_list(context, exchange_group);
    // No tickets: a pre-shared key does the same. No early data: it could be replayed.
    SSL_CTX_set_num_tickets(context, 0);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_PRIORITIZE_CHACHA |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_max_cert_list(context, largest_certificates);
    // A quiet connection keeps no buffers. A write gives up as soon as the socket is full, and goes
    // on later from wherever the bytes lie then.
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

TlsContext TlsContext::dials_with_key(bool fresh_exchange)
{
    TlsContext made(SSL_CTX_new(TLS_client_method()));
    // No authority is known, so no certificate is good: else a server that shows any, instead of
    // knowing the key, would be taken for the right one.
    SSL_CTX_set_verify(made.get(), SSL_VERIFY_PEER, nullptr);
    Handshake::let_decide(made.get());
    if (!fresh_exchange) {
        SSL_CTX_set_options(made.get(), SSL_OP_ALLOW_NO_DHE_KEX);
        SSL_CTX_set1_groups_list(made.get(), group_of_nobody);
    }
    return made;
}

TlsContext TlsContext::dials_with_certificate(const std::string& ca_file,
                                              const CertificateFiles& own, bool insecure)
{
    TlsContext made(SSL_CTX_new(TLS_client_method()));
    SSL_CTX_set_verify(made.get(), insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, nullptr);
    if (own.given())
        load(made.get(), own);
    if (!ca_file.empty())
        load_authorities(made.get(), ca_file, false);
    else if (SSL_CTX_set_default_verify_paths(made.get()) != 1)
        throw std::runtime_error("cannot use the authorities that the system trusts");
    return made;
}

TlsContext TlsContext::dials_with_known_certificate(const std::string& file,
                                                    const CertificateFiles& own)
{
    TlsContext made(SSL_CTX_new(TLS_client_method()));
    SSL_CTX_set_verify(made.get(), SSL_VERIFY_PEER, nullptr);
    if (own.given())
        load(made.get(), own);
    // Of the chain in the file the first alone: not all that its authority has signed.
    X509_STORE* const store = SSL_CTX_get_cert_store(made.get());
    if (X509_STORE_add_cert(store, read_authorities(file).front().get()) != 1)
        cannot_use_authorities(file);
    X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
    return made;
}

TlsContext TlsContext::accepts(const CertificateFiles& own, const std::string& client_ca_file)
{
    TlsContext made(SSL_CTX_new(TLS_server_method()));
    SSL_CTX_set_options(made.get(),
                        SSL_OP_ALLOW_NO_DHE_KEX); // control connections: looked at after
    Handshake::let_decide(made.get());
    if (own.given())
        load(made.get(), own);
    if (!client_ca_file.empty()) {
        load_authorities(made.get(), client_ca_file, true);
        SSL_CTX_set_verify(made.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
        static constexpr unsigned char here[] = "tunneled-reverse-proxy";
        SSL_CTX_set_session_id_context(made.get(), here, sizeof here - 1);
    }
    return made;
}

} // namespace tunnel
