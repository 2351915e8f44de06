// What OpenSSL's own server sees in a ClientHello.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <openssl/err.h>
#include <openssl/ssl.h>

namespace tunnel::test {

struct FreeTls {
    void operator()(SSL* ssl) const { SSL_free(ssl); }

    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};

using TlsConnection = std::unique_ptr<SSL, FreeTls>;
using TlsContext = std::unique_ptr<SSL_CTX, FreeTls>;

// A connection over memory: what is written to the one BIO is read, and what it says is in the
// other.
inline TlsConnection in_memory(SSL_CTX& context)
{
    TlsConnection ssl(SSL_new(&context));
    SSL_set_bio(ssl.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    return ssl;
}

// What `ssl` has said and nobody has read yet.
inline std::string said_by(SSL& ssl)
{
    std::string bytes(BIO_ctrl_pending(SSL_get_wbio(&ssl)), '\0');
    if (!bytes.empty())
        BIO_read(SSL_get_wbio(&ssl), bytes.data(), static_cast<int>(bytes.size()));
    return bytes;
}

struct SeenHello {
    bool is_hello = false;                  // it could be divided into its parts
    std::optional<std::string> extension{}; // the content of server_name, unread
    bool is_read = false;                   // its extensions were read, and nothing is wrong
    std::string name{};                     // as it was written, if it is read
};

// A server that tells what it sees. It has no certificate, so no handshake ends well.
class HelloOracle {
public:
    HelloOracle() : context_(SSL_CTX_new(TLS_server_method()))
    {
        SSL_CTX* const context = context_.get();
        SSL_CTX_set_security_level(context, 0);
        SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
        SSL_CTX_set_cipher_list(context, "ALL:aNULL");
        SSL_CTX_set_client_hello_cb(context, on_hello, nullptr);
        SSL_CTX_set_tlsext_servername_callback(context, on_name);
    }

    SeenHello look_at(std::string_view bytes) const
    {
        SeenHello seen;
        const TlsConnection ssl = in_memory(*context_);
        SSL_set_app_data(ssl.get(), &seen);
        BIO_write(SSL_get_rbio(ssl.get()), bytes.data(), static_cast<int>(bytes.size()));
        SSL_accept(ssl.get());
        ERR_clear_error();
        return seen;
    }

private:
    static SeenHello& seen_by(SSL* ssl) { return *static_cast<SeenHello*>(SSL_get_app_data(ssl)); }

    static int on_hello(SSL* ssl, int*, void*)
    {
        SeenHello& seen = seen_by(ssl);
        seen.is_hello = true;
        const unsigned char* content = nullptr;
        std::size_t size = 0;
        if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &content, &size) == 1)
            seen.extension.emplace(reinterpret_cast<const char*>(content), size);
        return SSL_CLIENT_HELLO_SUCCESS;
    }

    static int on_name(SSL* ssl, int*, void*)
    {
        SeenHello& seen = seen_by(ssl);
        seen.is_read = true;
        if (const char* const name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name))
            seen.name = name;
        return SSL_TLSEXT_ERR_OK;
    }

    TlsContext context_;
};

} // namespace tunnel::test
