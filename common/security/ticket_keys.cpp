#include "common/security/ticket_keys.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include "common/sandbox/sandbox.hpp"

namespace tunnel {

namespace {

// What the library wants to hear of a ticket, SSL_CTX_set_tlsext_ticket_key_evp_cb(3).
enum TicketAnswer : int {
    ticket_failure = -1,
    ticket_unknown = 0,
    ticket_good = 1,
    ticket_old = 2
};

using SharedTicketKeys = std::shared_ptr<TicketKeys>;

// Where a context has its keys: a connection keeps the context, and so them.
int keys_place()
{
    static const int place = SSL_CTX_get_ex_new_index(
        0, nullptr, nullptr, nullptr, [](void*, void* keys, CRYPTO_EX_DATA*, int, long, void*) {
            delete static_cast<SharedTicketKeys*>(keys);
        });
    return place;
}

void fill_randomly(std::span<std::uint8_t> bytes)
{
    if (RAND_priv_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1)
        throw std::runtime_error("libcrypto has no random numbers");
}

bool authenticate(EVP_MAC_CTX* mac, Key& key)
{
    static char digest[] = "SHA256";
    const std::array<OSSL_PARAM, 3> parameters{
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key.bytes.data(), Key::size),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end()};
    return EVP_MAC_CTX_set_params(mac, parameters.data()) == 1;
}

TicketAnswer make_ticket(TicketKeys& keys, unsigned char* name, unsigned char* start,
                         EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac)
{
    TicketKeys::TicketKey key = keys.newest();
    std::ranges::copy(key.name, name);
    const int size = EVP_CIPHER_get_iv_length(keys.cipher());
    const bool good = RAND_bytes(start, size) == 1 &&
                      EVP_EncryptInit_ex(cipher, keys.cipher(), nullptr,
                                         key.encryption.bytes.data(), start) == 1 &&
                      authenticate(mac, key.authentication);
    return good ? ticket_good : ticket_failure;
}

TicketAnswer open_ticket(TicketKeys& keys, const unsigned char* name, const unsigned char* start,
                         EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac)
{
    auto found = keys.find(
        std::span<const std::uint8_t, TicketKeys::name_size>(name, TicketKeys::name_size));
    if (!found)
        return ticket_unknown;
    if (!authenticate(mac, found->key.authentication) ||
        EVP_DecryptInit_ex(cipher, keys.cipher(), nullptr, found->key.encryption.bytes.data(),
                           start) != 1)
        return ticket_failure;
    return found->is_old ? ticket_old : ticket_good;
}

int on_ticket(SSL* ssl, unsigned char* name, unsigned char* start, EVP_CIPHER_CTX* cipher,
              EVP_MAC_CTX* mac, int is_new)
{
    void* const kept = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), keys_place());
    if (kept == nullptr)
        return ticket_failure;
    TicketKeys& keys = **static_cast<SharedTicketKeys*>(kept);
    try { // the library cannot be thrown through
        return is_new != 0 ? make_ticket(keys, name, start, cipher, mac)
                           : open_ticket(keys, name, start, cipher, mac);
    } catch (const std::exception&) {
        return ticket_failure;
    }
}

} // namespace

void TicketKeys::Free::operator()(evp_cipher_st* cipher) const
{
    EVP_CIPHER_free(cipher);
}

// Looked up once: the library would do it again for each ticket.
TicketKeys::TicketKeys() : cipher_(EVP_CIPHER_fetch(nullptr, "AES-256-CBC", nullptr))
{
    if (!cipher_)
        throw std::runtime_error("libcrypto has no AES for session tickets");
    keep_memory_private();
}

TicketKeys::~TicketKeys() = default;

void TicketKeys::use(ssl_ctx_st* context, std::shared_ptr<TicketKeys> keys)
{
    auto kept = std::make_unique<SharedTicketKeys>(std::move(keys));
    if (SSL_CTX_set_ex_data(context, keys_place(), kept.get()) != 1)
        throw std::bad_alloc();
    kept.release(); // the context's
    SSL_CTX_set_tlsext_ticket_key_evp_cb(context, on_ticket);
}

TicketKeys::TicketKey TicketKeys::newest()
{
    const std::lock_guard lock(mutex_);
    rotate(Clock::now());
    if (!newest_) {
        TicketKey fresh;
        fresh.made = Clock::now();
        fill_randomly(fresh.name);
        fill_randomly(fresh.encryption.bytes);
        fill_randomly(fresh.authentication.bytes);
        newest_ = fresh;
    }
    return *newest_;
}

std::optional<TicketKeys::Found> TicketKeys::find(std::span<const std::uint8_t, name_size> name)
{
    const std::lock_guard lock(mutex_);
    rotate(Clock::now());
    for (const auto* const each : {&newest_, &older_}) {
        if (*each && std::ranges::equal((*each)->name, name))
            return Found{**each, each == &older_};
    }
    return std::nullopt;
}

void TicketKeys::expire()
{
    const std::lock_guard lock(mutex_);
    rotate(Clock::now());
}

// Those whose time is over go, so that they cannot be stolen any more.
void TicketKeys::rotate(Clock::time_point now)
{
    if (newest_ && now - newest_->made >= turn)
        older_ = std::exchange(newest_, std::nullopt);
    if (older_ && now - older_->made >= 2 * turn)
        older_.reset();
}

} // namespace tunnel
