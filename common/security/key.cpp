#include "common/security/key.hpp"

#include <memory>
#include <stdexcept>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

namespace tunnel {

namespace {

// Looking an algorithm up costs more than running it.
EVP_KDF* hkdf()
{
    static EVP_KDF* const found = EVP_KDF_fetch(nullptr, "HKDF", nullptr);
    return found;
}

void derive(std::span<const std::uint8_t> from, const std::string& info,
            std::span<std::uint8_t> result)
{
    const std::unique_ptr<EVP_KDF_CTX, decltype(&EVP_KDF_CTX_free)> context(EVP_KDF_CTX_new(hkdf()),
                                                                            EVP_KDF_CTX_free);
    std::string digest = "SHA256";
    // The library takes all of them without const, and changes none.
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest.data(), 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY,
                                          const_cast<std::uint8_t*>(from.data()), from.size()),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, const_cast<char*>(info.data()),
                                          info.size()),
        OSSL_PARAM_construct_end()};
    if (!context || EVP_KDF_derive(context.get(), result.data(), result.size(), parameters) != 1)
        throw std::runtime_error("libcrypto cannot derive keys (HKDF)");
}

// The labels have no zero byte, so no two pairs of a label and a context come to the same.
std::string info_of(std::string_view purpose, std::span<const std::uint8_t> context)
{
    std::string info = "tunneled-reverse-proxy 1 ";
    info.append(purpose).append(1, '\0').append(context.begin(), context.end());
    return info;
}

} // namespace

Key derive(std::span<const std::uint8_t> from, std::string_view purpose,
           std::span<const std::uint8_t> context)
{
    Key key;
    derive(from, info_of(purpose, context), key.bytes);
    return key;
}

RandomBytes derive_name(std::span<const std::uint8_t> from, std::string_view purpose)
{
    RandomBytes name{};
    derive(from, info_of(purpose, {}), name);
    return name;
}

Mac mac(const Key& key, std::string_view message)
{
    Mac result{};
    unsigned size = 0;
    if (HMAC(EVP_sha256(), key.bytes.data(), Key::size,
             reinterpret_cast<const unsigned char*>(message.data()), message.size(), result.data(),
             &size) == nullptr)
        throw std::runtime_error("libcrypto cannot authenticate (HMAC-SHA256)");
    return result;
}

bool equal(std::span<const std::uint8_t> one, std::span<const std::uint8_t> other)
{
    return one.size() == other.size() && CRYPTO_memcmp(one.data(), other.data(), one.size()) == 0;
}

} // namespace tunnel
