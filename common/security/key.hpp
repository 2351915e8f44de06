// Keys and their derivation. docs/security.md has the whole schedule.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "common/base/ids.hpp"
#include "common/base/wipe.hpp"

namespace tunnel {

// 256 bits that only the two proxies know. Wiped when it is destroyed; nothing prints it.
class Key {
public:
    static constexpr std::size_t size = 32;

    Key() = default;
    Key(const Key&) = default;
    Key& operator=(const Key&) = default;

    ~Key() { wipe(bytes); }

    std::array<std::uint8_t, size> bytes{};
};

// A key for one purpose out of another, or out of a secret: HKDF-SHA256 (RFC 5869), without salt.
// `purpose` is one of the labels in docs/security.md; `context` binds the key to one use. Throws
// std::runtime_error if libcrypto has no HKDF.
Key derive(std::span<const std::uint8_t> from, std::string_view purpose,
           std::span<const std::uint8_t> context = {});

// The same with 128 bits that may be public: they identify the key without revealing it.
RandomBytes derive_name(std::span<const std::uint8_t> from, std::string_view purpose);

// HMAC-SHA256 (RFC 2104).
using Mac = std::array<std::uint8_t, 32>;
Mac mac(const Key& key, std::string_view message);

// Takes the same time wherever they differ.
bool equal(std::span<const std::uint8_t> one, std::span<const std::uint8_t> other);

} // namespace tunnel
