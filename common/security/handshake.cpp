#include "common/security/handshake.hpp"

#include <cerrno>
#include <memory>
#include <utility>

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "common/base/error.hpp"
#include "common/protocol/foreign.hpp"
#include "common/security/certificate_host.hpp"
#include "common/security/client_hello.hpp"
#include "common/security/library_words.hpp"
#include "common/transport/record_socket.hpp"

namespace tunnel {

namespace {

// What a peer may send up to the end of a handshake: two hellos (the second on request, RFC 8446
// section 4.1.4), some small messages, and its certificates.
constexpr std::size_t most_without_certificates = 2 * RecordGuard::largest_hello + 8 * 1024;
constexpr std::size_t most_with_certificates =
    most_without_certificates + TlsContext::largest_certificates + 8 * 1024;

// Ours offers one. Each that is offered has to be looked for.
constexpr int most_identities = 8;

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
    if (!has_too_many_groups(ssl))
        return handshake_of(ssl).on_hello(*alert);
    *alert = SSL_AD_ILLEGAL_PARAMETER;
    return SSL_CLIENT_HELLO_ERROR;
}

} // namespace

void Handshake::let_decide(ssl_ctx_st* context)
{
    SSL_CTX_set_psk_use_session_callback(context, offer_key);
    SSL_CTX_set_psk_find_session_callback(context, tunnel::find_key);
    SSL_CTX_set_client_hello_cb(context, look_at_hello, nullptr);
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
