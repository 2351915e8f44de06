// Certificates and keys out of files.
#pragma once

#include <memory>
#include <string>
#include <vector>

struct evp_pkey_st; // OpenSSL's EVP_PKEY
struct ssl_ctx_st;  // OpenSSL's SSL_CTX
struct x509_st;     // OpenSSL's X509

namespace tunnel {

struct FreePem {
    void operator()(x509_st* certificate) const;
    void operator()(evp_pkey_st* key) const;
};

using CertificatePtr = std::unique_ptr<x509_st, FreePem>;
using PrivateKeyPtr = std::unique_ptr<evp_pkey_st, FreePem>;

// Files with PEM in them.
struct CertificateFiles {
    std::string certificate; // with the chain up to the authority, the server's own first
    std::string key;

    bool given() const { return !certificate.empty() || !key.empty(); }
};

// A certificate, those that lead from it to an authority, and its key.
struct KeyedCertificate {
    CertificateFiles files;
    CertificatePtr own;
    std::vector<CertificatePtr> chain;
    PrivateKeyPtr key;

    // From files(). From then on the process keeps its memory private. Throws std::runtime_error
    // that names the file if it cannot be read, is no PEM, or needs a passphrase: asking for it
    // would wait for a terminal.
    static KeyedCertificate read(const CertificateFiles& files);

    // Shows it to peers, beside those of other kinds of keys. Throws as read(), also if the key is
    // not the certificate's.
    void use_in(ssl_ctx_st* context) const;
};

// At least one. Throws as above.
std::vector<CertificatePtr> read_authorities(const std::string& path);

// Throws std::runtime_error with what the library says of a file.
[[noreturn]] void cannot_use_authorities(const std::string& path);

} // namespace tunnel
