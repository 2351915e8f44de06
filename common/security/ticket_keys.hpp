// Keys for TLS session tickets.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>

#include "common/base/clock.hpp"
#include "common/security/key.hpp"

struct ssl_ctx_st;    // OpenSSL's SSL_CTX
struct evp_cipher_st; // OpenSSL's EVP_CIPHER
struct evp_mac_st;    // OpenSSL's EVP_MAC

namespace tunnel {

// With a ticket a visitor resumes a session without a signature of ours. A stolen key would decrypt
// the tickets made with it, so each makes them for an hour only; for an hour more it takes them,
// and whoever presents one then gets a new one. All contexts may share one object, and its keys
// outlive them. Safe from any thread.
class TicketKeys {
public:
    static constexpr Clock::duration turn = std::chrono::hours(1);
    static constexpr std::size_t name_size = 16;

    using Name = std::array<std::uint8_t, name_size>;

    struct TicketKey {
        Name name{}; // goes out in clear in front of the ticket
        Key encryption;
        Key authentication;
        Clock::time_point made{};
    };

    struct Found {
        TicketKey key;
        bool is_old; // the ticket is to be renewed
    };

    // Throws std::runtime_error if libcrypto has not the ciphers for it.
    TicketKeys();

    TicketKeys(const TicketKeys&) = delete;
    TicketKeys& operator=(const TicketKeys&) = delete;
    ~TicketKeys();

    // Makes tickets with the keys; the context keeps them alive.
    static void use(ssl_ctx_st* context, std::shared_ptr<TicketKeys> keys);

    // What a ticket is made with now. Throws std::runtime_error if there are no random numbers.
    TicketKey newest();

    // What a ticket was made with; nullopt: it is too old, or none of ours.
    std::optional<Found> find(std::span<const std::uint8_t, name_size> name);

    // Forgets those whose time is over; else that is done when one is used.
    void expire();

    // For the library's callback.
    const evp_cipher_st* cipher() const { return cipher_.get(); }

private:
    struct Free {
        void operator()(evp_cipher_st* cipher) const;
    };

    void rotate(Clock::time_point now);

    std::unique_ptr<evp_cipher_st, Free> cipher_;
    std::mutex mutex_; // of what follows
    std::optional<TicketKey> newest_{};
    std::optional<TicketKey> older_{};
};

} // namespace tunnel
