#include "common/security/pem.hpp"

#include <stdexcept>
#include <string_view>

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "common/sandbox/sandbox.hpp"
#include "common/security/file.hpp"
#include "common/security/library_words.hpp"

namespace tunnel {

namespace {

constexpr std::size_t largest_pem_file = 1024 * 1024;

constexpr std::string_view for_certificate = "cannot use the certificate in";
constexpr std::string_view for_key = "cannot use the key in";
constexpr std::string_view for_authorities = "cannot use the certificates in";

[[noreturn]] void fail_with_file(std::string_view what, const std::string& path)
{
    // The first error is the cause; what the library adds to it only says where it was met.
    throw std::runtime_error(fmt::format("{} {}: {}", what, path, words_of(ERR_peek_error())));
}

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

// The library would read the files themselves, but a reload has them from another process.
struct FreeBio {
    void operator()(BIO* bio) const { BIO_free(bio); }
};

struct PemText {
    PemText(const std::string& path, std::string_view what)
        : text(read_pem(path, what)),
          bio(BIO_new_mem_buf(text.view().data(), static_cast<int>(text.view().size())))
    {
        ERR_clear_error();
    }

    PrivateText text;
    std::unique_ptr<BIO, FreeBio> bio;
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
void read_chain(const std::string& path, KeyedCertificate& into)
{
    const PemText pem(path, for_certificate);
    into.own.reset(PEM_read_bio_X509_AUX(pem.bio.get(), nullptr, no_passphrase, nullptr));
    if (!into.own)
        fail_with_file(for_certificate, path);
    while (X509* const next = PEM_read_bio_X509(pem.bio.get(), nullptr, no_passphrase, nullptr))
        into.chain.emplace_back(next);
    if (!is_end_of_pem())
        fail_with_file(for_certificate, path);
    ERR_clear_error();
}

struct FreeStack {
    void operator()(STACK_OF(X509) * stack) const { sk_X509_free(stack); } // not what is in it
};

} // namespace

void FreePem::operator()(x509_st* certificate) const
{
    X509_free(certificate);
}

void FreePem::operator()(evp_pkey_st* key) const
{
    EVP_PKEY_free(key);
}

KeyedCertificate KeyedCertificate::read(const CertificateFiles& files)
{
    keep_memory_private();
    KeyedCertificate made{files, {}, {}, {}};
    read_chain(files.certificate, made);
    const PemText pem(files.key, for_key);
    made.key.reset(PEM_read_bio_PrivateKey(pem.bio.get(), nullptr, no_passphrase, nullptr));
    if (!made.key)
        fail_with_file(for_key, files.key);
    ERR_clear_error(); // finding out what kind of key it is leaves some
    return made;
}

void KeyedCertificate::use_in(ssl_ctx_st* context) const
{
    const std::unique_ptr<STACK_OF(X509), FreeStack> others(sk_X509_new_null());
    for (const CertificatePtr& each : chain)
        sk_X509_push(others.get(), each.get());
    ERR_clear_error();
    if (SSL_CTX_use_cert_and_key(context, own.get(), key.get(), others.get(), 1) == 1)
        return;
    if (ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_PRIVATE_KEY_MISMATCH)
        throw std::runtime_error(fmt::format("the key in {} is not of the certificate in {}",
                                             files.key, files.certificate));
    fail_with_file(for_certificate, files.certificate);
}

std::vector<CertificatePtr> read_authorities(const std::string& path)
{
    const PemText pem(path, for_authorities);
    std::vector<CertificatePtr> all;
    while (X509* const each = PEM_read_bio_X509_AUX(pem.bio.get(), nullptr, no_passphrase, nullptr))
        all.emplace_back(each);
    if (all.empty() || !is_end_of_pem())
        cannot_use_authorities(path);
    ERR_clear_error();
    return all;
}

void cannot_use_authorities(const std::string& path)
{
    fail_with_file(for_authorities, path);
}

} // namespace tunnel
