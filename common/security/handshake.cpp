#include "common/security/handshake.hpp"

#include <cerrno>
#include <memory>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "common/base/error.hpp"
#include "common/protocol/foreign.hpp"
#include "common/sandbox/sandbox.hpp"
#include "common/security/certificate_host.hpp"
#include "common/security/client_hello.hpp"
#include "common/security/file.hpp"
#include "common/transport/record_socket.hpp"

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

// The chain of certificates that a peer shows, where it is asked for one. OpenSSL takes the memory
// as soon as a size is told.
constexpr long largest_certificates = 32 * 1024;

// What a peer may send up to the end of a handshake: two hellos (the second on request, RFC 8446
// section 4.1.4), some small messages, and its certificates.
constexpr std::size_t most_without_certificates = 2 * RecordGuard::largest_hello + 8 * 1024;
constexpr std::size_t most_with_certificates =
    most_without_certificates + largest_certificates + 8 * 1024;

// Ours offers one. Each that is offered has to be looked for.
constexpr int most_identities = 8;

// Of key exchanges that a client knows. OpenSSL looks through all of them for each key that comes
// with the hello; no client knows half as many.
constexpr std::size_t most_groups = 100;

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

std::string words_of(unsigned long error)
{
    const char* const reason = ERR_reason_error_string(error);
    if (reason != nullptr)
        return reason;
    return error != 0 ? std::system_category().message(ERR_GET_REASON(error)) : "unknown error";
}

// What most likely went wrong, for mistakes in options that show in a handshake; OpenSSL's words
// for all others. The peer may be an origin proxy or a client of the management interface.
std::string words_for_acceptor(unsigned long error)
{
    switch (ERR_GET_REASON(error)) {
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
        return "the peer does not trust the certificate that it is shown here: it needs the "
               "authority of that, and one of the names in it, as origin-proxy has --tls-ca and "
               "--tls-server-name";
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
        return "the peer shows no certificate, and one is asked for here: give it one of an "
               "authority that is known here, as origin-proxy has --tls-cert and --tls-key";
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
        return "the peer's certificate is not of an authority that is known here, or not good any "
               "more";
    case SSL_R_UNSUPPORTED_PROTOCOL:
        return "the peer speaks an older version of TLS than 1.3";
    default:
        return words_of(error);
    }
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

std::string text_of(const ASN1_STRING* string)
{
    unsigned char* text = nullptr;
    const int size = ASN1_STRING_to_UTF8(&text, string);
    if (size < 0)
        return {};
    std::string name(reinterpret_cast<char*>(text), static_cast<std::size_t>(size));
    OPENSSL_free(text);
    return name;
}

// The first DNS name or mail address: many authorities put no common name into a certificate.
std::string alternative_name(const X509* certificate)
{
    auto* const names = static_cast<GENERAL_NAMES*>(
        X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
    std::string found;
    for (int i = 0; found.empty() && i < sk_GENERAL_NAME_num(names); ++i) {
        int kind = 0;
        const void* const value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &kind);
        if (kind == GEN_DNS || kind == GEN_EMAIL)
            found = text_of(static_cast<const ASN1_STRING*>(value));
    }
    GENERAL_NAMES_free(names);
    return found;
}

Handshake& handshake_of(SSL* ssl)
{
    return *static_cast<Handshake*>(SSL_get_app_data(ssl));
}

// The library wants a key as a session that could have been resumed. Null if there is no memory.
SSL_SESSION* session_with(SSL* ssl, const Key& key)
{
    static constexpr unsigned char aes_128_gcm_sha256[] = {0x13, 0x01};
    SSL_SESSION* const session = SSL_SESSION_new();
    const SSL_CIPHER* const cipher = SSL_CIPHER_find(ssl, aes_128_gcm_sha256);
    if (session == nullptr || cipher == nullptr ||
        SSL_SESSION_set1_master_key(session, key.bytes.data(), Key::size) != 1 ||
        SSL_SESSION_set_cipher(session, cipher) != 1 ||
        SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION) != 1) {
        SSL_SESSION_free(session);
        return nullptr;
    }
    return session;
}

int offer_key(SSL* ssl, const EVP_MD* digest, const unsigned char** identity, std::size_t* size,
              SSL_SESSION** session)
{
    const auto& offer = handshake_of(ssl).offer();
    *session = nullptr;
    if (!offer || (digest != nullptr && EVP_MD_get_type(digest) != NID_sha256))
        return 1; // none
    *identity = reinterpret_cast<const unsigned char*>(offer->identity.data());
    *size = offer->identity.size();
    *session = session_with(ssl, offer->key);
    return *session != nullptr ? 1 : 0;
}

int find_key(SSL* ssl, const unsigned char* identity, std::size_t size, SSL_SESSION** session)
{
    *session = nullptr;
    Handshake& handshake = handshake_of(ssl);
    if (handshake.has_offered_enough())
        return 0;
    const auto key = handshake.find_key({reinterpret_cast<const char*>(identity), size});
    if (key)
        *session = session_with(ssl, *key);
    return 1; // without a session it goes on as if no key had been offered
}

// Before OpenSSL looks into a ClientHello.
int look_at_hello(SSL* ssl, int* alert, void*)
{
    const unsigned char* groups = nullptr;
    std::size_t size = 0;
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_supported_groups, &groups, &size) != 1 ||
        size <= 2 + 2 * most_groups)
        return handshake_of(ssl).on_hello(*alert);
    *alert = SSL_AD_ILLEGAL_PARAMETER;
    return SSL_CLIENT_HELLO_ERROR;
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
    SSL_CTX_set_psk_use_session_callback(made.get(), offer_key);
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
    SSL_CTX_set_psk_find_session_callback(made.get(), tunnel::find_key);
    SSL_CTX_set_client_hello_cb(made.get(), look_at_hello, nullptr);
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

Handshake::Handshake(const TlsContext& context, int descriptor, Part part)
    : tls_(SSL_new(context.get())), accepts_(part == Part::accepts)
{
    const bool asks_for_certificate =
        !accepts_ || (tls_ && SSL_get_verify_mode(tls_.get()) != SSL_VERIFY_NONE);
    BIO* const socket = make_record_socket(
        descriptor,
        RecordGuard(asks_for_certificate ? most_with_certificates : most_without_certificates));
    if (!tls_ || socket == nullptr) {
        BIO_free(socket);
        throw std::bad_alloc();
    }
    SSL_set_bio(tls_.get(), socket, socket);
    SSL_set_app_data(tls_.get(), this);
}

// Before the library looks at it, whatever it is.
void Handshake::listen_to_answer()
{
    SSL_set_msg_callback(tls_.get(), [](int sent, int, int kind, const void* bytes,
                                        std::size_t size, SSL* ssl, void*) {
        if (sent == 0 && kind == SSL3_RT_HEADER && SSL_get_app_data(ssl) != nullptr)
            handshake_of(ssl).note_answer({static_cast<const char*>(bytes), size});
    });
}

Handshake::Handshake(const TlsContext& context, int descriptor, PresharedKey key)
    : Handshake(context, descriptor, Part::dials)
{
    listen_to_answer();
    offer_ = std::move(key);
    SSL_set_connect_state(tls_.get());
}

Handshake::Handshake(const TlsContext& context, int descriptor, const std::string& host)
    : Handshake(context, descriptor, Part::dials)
{
    listen_to_answer();
    host_ = certificate_host(host);
    SSL_set_connect_state(tls_.get());
    std::error_code not_literal;
    asio::ip::make_address(host_, not_literal);
    if (not_literal) {
        SSL_set_tlsext_host_name(tls_.get(), host_.c_str());
        SSL_set_hostflags(tls_.get(), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        SSL_set1_host(tls_.get(), host_.c_str());
    } else {
        X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls_.get()), host_.c_str());
    }
}

Handshake::Handshake(const TlsContext& context, int descriptor, FindKey find_key)
    : Handshake(context, descriptor, Part::accepts)
{
    find_key_ = std::move(find_key);
    SSL_set_accept_state(tls_.get());
}

bool Handshake::has_offered_enough()
{
    return ++identities_ > most_identities;
}

std::optional<Key> Handshake::find_key(std::string_view identity)
{
    if (found_ && identity == identity_) // the gate was told of it just now
        return found_;
    found_ = find_key_ ? find_key_(identity) : std::nullopt;
    identity_ = found_ ? identity : std::string_view();
    return found_;
}

// Called again for the same hello once the gate has decided.
int Handshake::on_hello(int& alert)
{
    if (gate_ == nullptr)
        return SSL_CLIENT_HELLO_SUCCESS;
    switch (admission_) {
    case Admission::granted:
        admission_ = Admission::not_asked; // a second hello costs once more
        return SSL_CLIENT_HELLO_SUCCESS;
    case Admission::refused:
        alert = SSL_AD_HANDSHAKE_FAILURE;
        return SSL_CLIENT_HELLO_ERROR;
    case Admission::not_asked:
        break;
    }
    hello_offer_ = {};
    const unsigned char* bytes = nullptr;
    std::size_t size = 0;
    if (SSL_client_hello_get0_ext(tls_.get(), TLSEXT_TYPE_psk, &bytes, &size) == 1) {
        hello_offer_.any_key = true;
        for (const std::string_view identity : offered_identities({bytes, size}, most_identities)) {
            hello_offer_.known_key = find_key(identity).has_value();
            if (hello_offer_.known_key)
                break;
        }
    }
    return SSL_CLIENT_HELLO_RETRY;
}

awaitable<void> Handshake::run(tcp::socket& socket)
{
    return run_on(socket);
}

awaitable<void> Handshake::run(asio::posix::stream_descriptor& socket)
{
    return run_on(socket);
}

template <class Socket>
awaitable<void> Handshake::run_on(Socket& socket)
{
    for (;;) {
        ERR_clear_error();
        errno = 0;
        const bool answers = admission_ == Admission::granted;
        const auto began = Clock::now();
        const int result = SSL_do_handshake(tls_.get());
        const int reason = SSL_get_error(tls_.get(), result);
        if (answers)
            gate_->answered(Clock::now() - began);
        if (result == 1)
            break;
        if (reason == SSL_ERROR_WANT_CLIENT_HELLO_CB) {
            const bool admitted = co_await gate_->admit(hello_offer_);
            admission_ = admitted ? Admission::granted : Admission::refused;
        } else if (reason == SSL_ERROR_WANT_READ) {
            co_await socket.async_wait(Socket::wait_read, use_awaitable);
        } else if (reason == SSL_ERROR_WANT_WRITE) {
            co_await socket.async_wait(Socket::wait_write, use_awaitable);
        } else {
            fail(reason);
        }
        if (!socket
                 .is_open()) // its number may be another's by now, which the library does not know
            throw std::system_error(asio::error::operation_aborted);
    }
    tls_.guard().handshake_done();
    const bool with_key = SSL_session_reused(tls_.get()) == 1;
    if (offer_ && !with_key)
        throw std::system_error(make_error_code(Errc::wrong_secret));
    if (offer_)
        identity_ = offer_->identity;
    else if (!with_key)
        identity_.clear(); // one that was found, but not proved
    SSL_set_msg_callback(tls_.get(), nullptr);
    SSL_set_app_data(tls_.get(), nullptr); // the callbacks are done, and this may go
}

void Handshake::note_answer(std::string_view header)
{
    if (first_answer_.empty())
        first_answer_ = header;
}

bool Handshake::fresh_exchange() const
{
    return SSL_get_negotiated_group(tls_.get()) != 0;
}

std::string Handshake::certificate_name() const
{
    X509* const certificate = SSL_get0_peer_certificate(tls_.get());
    if (certificate == nullptr)
        return {};
    const X509_NAME* const subject = X509_get_subject_name(certificate);
    const int place = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    return place < 0 ? alternative_name(certificate)
                     : text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, place)));
}

Key Handshake::exporter(std::string_view label) const
{
    Key key;
    if (SSL_export_keying_material(tls_.get(), key.bytes.data(), Key::size, label.data(),
                                   label.size(), nullptr, 0, 0) != 1)
        throw std::runtime_error("libssl cannot export keys");
    return key;
}

// In words that say what to do, as far as it can be known.
void Handshake::fail(int reason) const
{
    const int system = errno;
    if (const std::string_view objection = tls_.guard().objection(); !objection.empty())
        tunnel::fail(make_error_code(Errc::handshake_failed), std::string(objection));
    if (identities_ > most_identities)
        tunnel::fail(make_error_code(Errc::handshake_failed), "too many names of keys");
    const int why = ERR_GET_REASON(ERR_peek_error());
    const bool ended = reason == SSL_ERROR_SYSCALL || why == SSL_R_UNEXPECTED_EOF_WHILE_READING;
    if (ended && system != 0 && system != ECONNRESET)
        throw std::system_error(system, std::system_category());
    if (accepts_) {
        if (ended)
            throw std::system_error(asio::error::eof);
        if (admission_ == Admission::refused)
            throw std::system_error(make_error_code(Errc::no_proof));
        if (why == SSL_R_CALLBACK_FAILED) // see look_at_hello()
            tunnel::fail(make_error_code(Errc::handshake_failed), "too many groups in a TLS hello");
        if (why == SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM) // it would have to be a certificate's
            throw std::system_error(make_error_code(Errc::no_proof));
        tunnel::fail(make_error_code(Errc::handshake_failed),
                     words_for_acceptor(ERR_peek_last_error()));
    }
    if (ended)
        throw std::system_error(make_error_code(Errc::cut_short));
    if (const auto protocol = protocol_of(first_answer_); protocol && *protocol != "TLS")
        tunnel::fail(make_error_code(Errc::not_our_protocol), not_a_remote_proxy(first_answer_));
    if (why == SSL_R_WRONG_VERSION_NUMBER && !first_answer_.empty() &&
        !may_begin_frames(first_answer_))
        tunnel::fail(make_error_code(Errc::not_our_protocol), not_a_remote_proxy(first_answer_));
    if (why == SSL_R_WRONG_VERSION_NUMBER || why == SSL_R_TLSV1_ALERT_INSUFFICIENT_SECURITY)
        throw std::system_error(make_error_code(Errc::no_encryption));
    if (offer_)
        throw std::system_error(make_error_code(Errc::wrong_secret));
    const long verified = SSL_get_verify_result(tls_.get());
    if (why == SSL_R_CERTIFICATE_VERIFY_FAILED && verified != X509_V_OK)
        tunnel::fail(make_error_code(Errc::untrusted_certificate),
                     fmt::format("{}: {} (see --tls-ca and --tls-server-name)", host_,
                                 X509_verify_cert_error_string(verified)));
    if (why == SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE)
        tunnel::fail(make_error_code(Errc::handshake_failed),
                     "the remote proxy shows no certificate, so it most likely asks for a secret: "
                     "give this proxy the same --secret-file");
    if (why == SSL_R_TLSV1_ALERT_PROTOCOL_VERSION || why == SSL_R_UNSUPPORTED_PROTOCOL)
        tunnel::fail(make_error_code(Errc::not_our_protocol),
                     "that is not a remote proxy (it speaks an older version of TLS than 1.3): "
                     "--remote-proxy-addr must be the --control-addr of the remote proxy");
    tunnel::fail(make_error_code(Errc::handshake_failed), words_of(ERR_peek_last_error()));
}

} // namespace tunnel
