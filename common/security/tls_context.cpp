#include "common/security/tls_context.hpp"

#include <stdexcept>
#include <string_view>

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "common/sandbox/sandbox.hpp"
#include "common/security/file.hpp"
#include "common/security/handshake.hpp"
#include "common/security/library_words.hpp"

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

bool has_fast_aes()
{
#if defined(__x86_64__) || defined(__i386__)
    return __builtin_cpu_supports("aes") != 0;
#elif defined(__ARM_FEATURE_AES)
    return true;
#else
    return false;
#endif
}

[[noreturn]] void fail_with_file(std::string_view what, const std::string& path)
{
    // The first error is the cause; what the library adds to it only says where it was met.
    throw std::runtime_error(fmt::format("{} {}: {}", what, path, words_of(ERR_peek_error())));
}

constexpr std::size_t largest_pem_file = 1024 * 1024;

// The library would read the files themselves, but a reload has them from another process.
struct FreeBio {
    void operator()(BIO* bio) const { BIO_free(bio); }
};

constexpr std::string_view for_certificate = "cannot use the certificate in";
constexpr std::string_view for_key = "cannot use the key in";
constexpr std::string_view for_authorities = "cannot use the certificates in";

// As the other failures with this file are told.
PrivateText read_pem(const std::string& path, std::string_view what)
{
    try {
        return read_file(path, largest_pem_file);
    } catch (const std::runtime_error& error) {
        const std::string prefix = fmt::format("cannot read {}", path);
        std::string_view reason = error.what();
        if (reason.starts_with(prefix))
            reason.remove_prefix(prefix.size());
        throw std::runtime_error(fmt::format("{} {}{}", what, path, reason));
    }
}

struct PemText {
    PemText(const std::string& path, std::string_view what)
        : text(read_pem(path, what)),
          bio(BIO_new_mem_buf(text.view().data(), static_cast<int>(text.view().size())))
    {
    }

    PrivateText text;
    std::unique_ptr<BIO, FreeBio> bio;
};

struct FreePem {
    void operator()(X509* certificate) const { X509_free(certificate); }

    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};

int no_passphrase(char*, int, int, void*)
{
    return -1;
}

bool is_end_of_pem()
{
    const unsigned long error = ERR_peek_last_error();
    return ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
}

// As SSL_CTX_use_certificate_chain_file().
bool use_chain(SSL_CTX* context, BIO* bio)
{
    const std::unique_ptr<X509, FreePem> own(
        PEM_read_bio_X509_AUX(bio, nullptr, no_passphrase, nullptr));
    if (!own || SSL_CTX_use_certificate(context, own.get()) != 1 ||
        SSL_CTX_clear_chain_certs(context) != 1)
        return false;
    for (;;) {
        std::unique_ptr<X509, FreePem> next(
            PEM_read_bio_X509(bio, nullptr, no_passphrase, nullptr));
        if (!next)
            break;
        if (SSL_CTX_add0_chain_cert(context, next.get()) != 1)
            return false;
        next.release(); // the context's
    }
    const bool ended = is_end_of_pem();
    if (ended)
        ERR_clear_error();
    return ended;
}

bool use_key(SSL_CTX* context, BIO* bio)
{
    const std::unique_ptr<EVP_PKEY, FreePem> key(
        PEM_read_bio_PrivateKey(bio, nullptr, no_passphrase, nullptr));
    return key && SSL_CTX_use_PrivateKey(context, key.get()) == 1;
}

void load(SSL_CTX* context, const CertificateFiles& files)
{
    keep_memory_private();
    const PemText certificate(files.certificate, for_certificate);
    const PemText key(files.key, for_key);
    ERR_clear_error();
    if (!use_chain(context, certificate.bio.get()))
        fail_with_file(for_certificate, files.certificate);
    if (!use_key(context, key.bio.get()))
        fail_with_file(for_key, files.key);
    if (SSL_CTX_check_private_key(context) != 1)
        throw std::runtime_error(fmt::format("the key in {} is not of the certificate in {}",
                                             files.key, files.certificate));
}

// Also as those whose certificates a client is asked for.
void load_authorities(SSL_CTX* context, const std::string& path, bool asks_clients)
{
    const PemText authorities(path, for_authorities);
    ERR_clear_error();
    std::size_t count = 0;
    for (;;) {
        const std::unique_ptr<X509, FreePem> each(
            PEM_read_bio_X509_AUX(authorities.bio.get(), nullptr, no_passphrase, nullptr));
        if (!each)
            break;
        ++count;
        if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context), each.get()) != 1 ||
            (asks_clients && SSL_CTX_add_client_CA(context, each.get()) != 1))
            fail_with_file(for_authorities, path);
    }
    if (count == 0 || !is_end_of_pem())
        fail_with_file(for_authorities, path);
    ERR_clear_error();
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
    // A key with a passphrase is refused: asking for it would wait for a terminal.
    SSL_CTX_set_default_passwd_cb(context, no_passphrase);
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
