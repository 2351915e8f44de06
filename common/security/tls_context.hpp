// What TLS offers and accepts.
#pragma once

#include <memory>
#include <string>

#include "common/security/pem.hpp"

struct ssl_ctx_st; // OpenSSL's SSL_CTX

namespace tunnel {

// What is offered or accepted on new connections. Replacing it does not affect existing ones.
class TlsContext {
public:
    // The chain of certificates that a peer shows, where it is asked for one. OpenSSL takes the
    // memory as soon as a size is told.
    static constexpr long largest_certificates = 32 * 1024;

    // The dialling end that accepts only a peer with the same key. For control connections with a
    // fresh key exchange, so that a secret stolen later does not decrypt recordings; for data
    // connections without, since their key comes from that exchange.
    static TlsContext dials_with_key(bool fresh_exchange);

    // The dialling end that checks the peer's certificate against the authorities in `ca_file`, or
    // the system's if it is empty; not at all with `insecure`. `own` may have no files. Throws
    // std::runtime_error that names the file.
    static TlsContext dials_with_certificate(const std::string& ca_file,
                                             const CertificateFiles& own, bool insecure);

    // The dialling end that accepts only the certificate in this file, as long as it is valid,
    // whatever name it is for. Throws as above.
    static TlsContext dials_with_known_certificate(const std::string& file,
                                                   const CertificateFiles& own);

    // The accepting end. Without a certificate it accepts only peers with a key; with one, it shows
    // it to peers without a key, and asks for theirs if there is a `client_ca_file`.
    static TlsContext accepts(const CertificateFiles& own, const std::string& client_ca_file);

    ssl_ctx_st* get() const { return context_.get(); }

private:
    struct Free {
        void operator()(ssl_ctx_st* context) const;
    };

    explicit TlsContext(ssl_ctx_st* context);

    std::unique_ptr<ssl_ctx_st, Free> context_;
};

} // namespace tunnel
