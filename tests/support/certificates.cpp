#include "tests/support/certificates.hpp"

#include <stdexcept>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

namespace tunnel::test {

namespace {

void add(X509* certificate, const X509* issuer, int what, const std::string& value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, const_cast<X509*>(issuer), certificate, nullptr, nullptr, 0);
    X509_EXTENSION* const extension =
        X509V3_EXT_conf_nid(nullptr, &context, what, const_cast<char*>(value.c_str()));
    if (extension == nullptr)
        throw std::runtime_error("no such extension of a certificate: " + value);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

template <class Write>
std::string pem(const Write& write)
{
    const std::unique_ptr<BIO, decltype(&BIO_free)> memory(BIO_new(BIO_s_mem()), BIO_free);
    if (!memory || write(memory.get()) != 1)
        throw std::runtime_error("cannot write PEM");
    char* text = nullptr;
    const long size = BIO_get_mem_data(memory.get(), &text);
    return {text, static_cast<std::size_t>(size)};
}

EVP_PKEY* make_key(KeyKind kind)
{
    if (kind == KeyKind::rsa)
        return EVP_RSA_gen(2048);
    return EVP_EC_gen(kind == KeyKind::p_384 ? "P-384" : "P-256");
}

} // namespace

Certificate::Certificate(const CertificateOf& of, const Certificate* issuer)
    : private_key_(make_key(of.kind), EVP_PKEY_free), x509_(X509_new(), X509_free)
{
    static long serial = 1;
    X509* const made = x509_.get();
    X509_set_version(made, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(made), serial++);
    X509_gmtime_adj(X509_getm_notBefore(made), -7200);
    X509_gmtime_adj(X509_getm_notAfter(made), of.valid_for);
    X509_set_pubkey(made, private_key_.get());
    if (!of.common_name.empty())
        X509_NAME_add_entry_by_txt(X509_get_subject_name(made), "CN", MBSTRING_UTF8,
                                   reinterpret_cast<const unsigned char*>(of.common_name.c_str()),
                                   -1, -1, 0);
    const Certificate& signer = issuer != nullptr ? *issuer : *this;
    X509_set_issuer_name(made, X509_get_subject_name(signer.x509_.get()));
    add(made, signer.x509_.get(), NID_basic_constraints,
        of.authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
    if (!of.alternative.empty())
        add(made, signer.x509_.get(), NID_subject_alt_name, of.alternative);
    if (X509_sign(made, signer.private_key_.get(), EVP_sha256()) == 0)
        throw std::runtime_error("cannot sign a certificate");
    certificate_->write(pem([&](BIO* out) { return PEM_write_bio_X509(out, made); }));
    key_->write(pem([&](BIO* out) {
        return PEM_write_bio_PrivateKey(out, private_key_.get(), nullptr, nullptr, 0, nullptr,
                                        nullptr);
    }));
}

} // namespace tunnel::test
