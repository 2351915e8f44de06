// Certificates that are made for one test, and files with them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/security/handshake.hpp"
#include "tests/support/temporary_file.hpp"

struct evp_pkey_st; // OpenSSL's EVP_PKEY
struct x509_st;     // OpenSSL's X509

namespace tunnel::test {

enum class KeyKind : std::uint8_t { p_256, p_384, rsa };

struct CertificateOf {
    std::string common_name{};
    std::string alternative{}; // as in openssl.cnf: "DNS:example.org,IP:127.0.0.1"
    long valid_for = 3600;     // seconds from now; in the past: it has expired
    bool authority = false;
    KeyKind kind = KeyKind::p_256;
};

class Certificate {
public:
    // Signed by `issuer`, or by itself.
    explicit Certificate(const CertificateOf& of, const Certificate* issuer = nullptr);

    // For as long as this lives.
    CertificateFiles files() const { return {certificate_->path(), key_->path()}; }

    const std::string& path() const { return certificate_->path(); }

private:
    std::shared_ptr<evp_pkey_st> private_key_;
    std::shared_ptr<x509_st> x509_;
    std::unique_ptr<TemporaryFile> certificate_ = std::make_unique<TemporaryFile>();
    std::unique_ptr<TemporaryFile> key_ = std::make_unique<TemporaryFile>();
};

// An authority, and one for "example.org" and 127.0.0.1 that it has signed.
struct Authority {
    // Two of one name would be taken for the same, whose signature is wrong.
    explicit Authority(const std::string& name = "authority")
        : authority({.common_name = name, .authority = true})
    {
    }

    Certificate authority;

    Certificate sign(const CertificateOf& of) const { return Certificate(of, &authority); }

    Certificate here() const
    {
        return sign({.common_name = "here", .alternative = "DNS:example.org,IP:127.0.0.1"});
    }
};

} // namespace tunnel::test
