#include "common/security/client_hello.hpp"

#include <algorithm>

#include <openssl/ssl.h>

namespace tunnel {

namespace {

// No client knows half as many.
constexpr std::size_t most_groups = 100;

std::size_t two_bytes(std::span<const std::uint8_t> bytes)
{
    return static_cast<std::size_t>(bytes[0] << 8 | bytes[1]);
}

} // namespace

std::vector<std::string_view> offered_identities(std::span<const std::uint8_t> extension,
                                                 std::size_t most)
{
    constexpr std::size_t size_of_size = 2;
    constexpr std::size_t size_of_age = 4; // of the ticket, which follows each
    std::vector<std::string_view> identities;
    if (extension.size() < size_of_size)
        return identities;
    std::span<const std::uint8_t> rest = extension.subspan(size_of_size);
    rest = rest.first(std::min(rest.size(), two_bytes(extension)));
    while (identities.size() < most && rest.size() >= size_of_size) {
        const std::size_t size = two_bytes(rest);
        rest = rest.subspan(size_of_size);
        if (rest.size() < size + size_of_age)
            break;
        identities.emplace_back(reinterpret_cast<const char*>(rest.data()), size);
        rest = rest.subspan(size + size_of_age);
    }
    return identities;
}

bool has_too_many_groups(ssl_st* ssl)
{
    const unsigned char* groups = nullptr;
    std::size_t size = 0;
    return SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_supported_groups, &groups, &size) == 1 &&
           size > 2 + 2 * most_groups;
}

} // namespace tunnel
