#include "tests/support/tls_stream.hpp"

#include <stdexcept>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "common/security/session.hpp"

namespace tunnel::test {

namespace {

SSL_SESSION* session_with(SSL* ssl, const Key& key)
{
    static constexpr unsigned char aes_128_gcm_sha256[] = {0x13, 0x01};
    SSL_SESSION* const session = SSL_SESSION_new();
    SSL_SESSION_set1_master_key(session, key.bytes.data(), Key::size);
    SSL_SESSION_set_cipher(session, SSL_CIPHER_find(ssl, aes_128_gcm_sha256));
    SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION);
    return session;
}

const std::optional<PresharedKey>& key_of(SSL* ssl)
{
    return static_cast<const TlsPeer*>(SSL_get_app_data(ssl))->key;
}

int offer_key(SSL* ssl, const EVP_MD*, const unsigned char** identity, std::size_t* size,
              SSL_SESSION** session)
{
    const auto& key = key_of(ssl);
    *session = nullptr;
    if (!key)
        return 1;
    *identity = reinterpret_cast<const unsigned char*>(key->identity.data());
    *size = key->identity.size();
    *session = session_with(ssl, key->key);
    return 1;
}

int find_key(SSL* ssl, const unsigned char* identity, std::size_t size, SSL_SESSION** session)
{
    const auto& key = key_of(ssl);
    const std::string_view asked(reinterpret_cast<const char*>(identity), size);
    *session = key && key->identity == asked ? session_with(ssl, key->key) : nullptr;
    return 1;
}

} // namespace

void TlsStream::Free::operator()(ssl_st* ssl) const
{
    SSL_free(ssl);
}

void TlsStream::Free::operator()(ssl_ctx_st* context) const
{
    SSL_CTX_free(context);
}

TlsStream::TlsStream(Stream stream, TlsEnd end, TlsPeer peer)
    : stream_(std::move(stream)),
      peer_(std::make_unique<TlsPeer>(std::move(peer))),
      context_(SSL_CTX_new(end == TlsEnd::dials ? TLS_client_method() : TLS_server_method())),
      ssl_()
{
    SSL_CTX* const context = context_.get();
    SSL_CTX_set_psk_use_session_callback(context, offer_key);
    SSL_CTX_set_psk_find_session_callback(context, find_key);
    SSL_CTX_set_options(context, SSL_OP_ALLOW_NO_DHE_KEX);
    SSL_CTX_set_mode(context, SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_num_tickets(context, 0);
    const char* const usual = peer_->fresh_exchange ? "X25519" : "P-256";
    SSL_CTX_set1_groups_list(context, peer_->groups != nullptr ? peer_->groups : usual);
    if (peer_->only_tls_1_2)
        SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
    if (peer_->certificate.given()) {
        SSL_CTX_use_certificate_chain_file(context, peer_->certificate.certificate.c_str());
        SSL_CTX_use_PrivateKey_file(context, peer_->certificate.key.c_str(), SSL_FILETYPE_PEM);
    }
    if (peer_->only_tls_1_1) {
        SSL_CTX_set_security_level(context, 0);
        SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
        SSL_CTX_set_max_proto_version(context, TLS1_1_VERSION);
    }
    if (!peer_->protocols.empty())
        SSL_CTX_set_alpn_protos(context,
                                reinterpret_cast<const unsigned char*>(peer_->protocols.data()),
                                static_cast<unsigned>(peer_->protocols.size()));
    if (peer_->signatures != nullptr)
        SSL_CTX_set1_sigalgs_list(context, peer_->signatures);
    ssl_.reset(SSL_new(context));
    if (!peer_->server_name.empty())
        SSL_set_tlsext_host_name(ssl_.get(), peer_->server_name.c_str());
    // A copy: the end of a connection without a close_notify spoils what it has.
    const std::unique_ptr<SSL_SESSION, decltype(&SSL_SESSION_free)> session(
        peer_->session ? SSL_SESSION_dup(peer_->session.get()) : nullptr, SSL_SESSION_free);
    if (session)
        SSL_set_session(ssl_.get(), session.get());
    SSL_set_app_data(ssl_.get(), peer_.get());
    SSL_set_fd(ssl_.get(), stream_.descriptor());
    ERR_clear_error();
    const int result = end == TlsEnd::dials ? SSL_connect(ssl_.get()) : SSL_accept(ssl_.get());
    if (result != 1)
        fail("handshake");
}

void TlsStream::fail(const char* what)
{
    const char* const reason = ERR_reason_error_string(ERR_peek_error());
    throw std::runtime_error(std::string(what) + ": " + (reason != nullptr ? reason : "no reason"));
}

void TlsStream::send(std::string_view bytes)
{
    ERR_clear_error();
    std::size_t size = 0;
    if (!bytes.empty() && SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &size) != 1)
        fail("send");
}

void TlsStream::send(const Frame& frame)
{
    send(std::string_view(encode(frame)));
}

std::string TlsStream::receive(std::size_t size)
{
    std::string bytes(size, '\0');
    std::size_t have = 0;
    while (have < size) {
        ERR_clear_error();
        std::size_t got = 0;
        if (SSL_read_ex(ssl_.get(), bytes.data() + have, size - have, &got) != 1)
            fail("receive");
        have += got;
    }
    return bytes;
}

std::string TlsStream::receive_all()
{
    std::string bytes;
    std::array<char, 16384> buffer;
    for (;;) {
        ERR_clear_error();
        std::size_t got = 0;
        const int result = SSL_read_ex(ssl_.get(), buffer.data(), buffer.size(), &got);
        if (result == 1)
            bytes.append(buffer.data(), got);
        else if (SSL_get_error(ssl_.get(), result) == SSL_ERROR_ZERO_RETURN)
            return bytes;
        else
            fail("receive");
    }
}

Frame TlsStream::receive_frame()
{
    return frame_from([this](std::size_t size) { return receive(size); });
}

Ending TlsStream::ending()
{
    std::array<char, 16384> buffer;
    for (;;) {
        ERR_clear_error();
        std::size_t got = 0;
        const int result = SSL_read_ex(ssl_.get(), buffer.data(), buffer.size(), &got);
        if (result == 1)
            continue;
        const int reason = SSL_get_error(ssl_.get(), result);
        if (reason == SSL_ERROR_WANT_READ)
            return Ending::silence;
        return reason == SSL_ERROR_ZERO_RETURN ? Ending::end_of_stream : Ending::reset;
    }
}

void TlsStream::finish()
{
    SSL_shutdown(ssl_.get());
    stream_.finish();
}

Key TlsStream::exporter(std::string_view label) const
{
    Key key;
    if (SSL_export_keying_material(ssl_.get(), key.bytes.data(), Key::size, label.data(),
                                   label.size(), nullptr, 0, 0) != 1)
        fail("exporter");
    return key;
}

bool TlsStream::with_key() const
{
    return SSL_session_reused(ssl_.get()) == 1;
}

std::shared_ptr<ssl_session_st> TlsStream::session() const
{
    return {SSL_SESSION_dup(SSL_get_session(ssl_.get())), SSL_SESSION_free};
}

std::string TlsStream::peer_name() const
{
    std::array<char, 256> name{};
    X509_NAME_get_text_by_NID(X509_get_subject_name(SSL_get0_peer_certificate(ssl_.get())),
                              NID_commonName, name.data(), static_cast<int>(name.size()));
    return name.data();
}

std::string TlsStream::protocol() const
{
    const unsigned char* name = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl_.get(), &name, &size);
    return {reinterpret_cast<const char*>(name), size};
}

bool TlsStream::renegotiate()
{
    ERR_clear_error();
    return SSL_renegotiate(ssl_.get()) == 1 && SSL_do_handshake(ssl_.get()) == 1;
}

void TlsStream::update_keys()
{
    ERR_clear_error();
    if (SSL_key_update(ssl_.get(), SSL_KEY_UPDATE_NOT_REQUESTED) != 1 ||
        SSL_do_handshake(ssl_.get()) != 1)
        fail("key update");
}

PresharedKey key_of_data(const TlsStream& control, const SessionId& session,
                         const RandomBytes& once)
{
    return data_key(session, control.exporter(exporter_label), once);
}

} // namespace tunnel::test
