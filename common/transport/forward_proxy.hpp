// An HTTP or SOCKS5 proxy that leads out of a network, as people write it:
// http://user@proxy.example:3128.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/transport/address.hpp"

namespace tunnel {

// What read_forward_proxy() understands, for error messages.
inline constexpr std::string_view forward_proxy_syntax =
    "a proxy such as http://proxy.example:3128, http://user@192.0.2.1:8080 or "
    "socks5://[2001:db8::1]:1080";

struct ForwardProxy {
    enum class Kind : std::uint8_t {
        http,   // CONNECT, RFC 9110 9.3.6
        socks5, // RFC 1928
    };

    // RFC 1929 has a byte for the size of each.
    static constexpr std::size_t longest_login = 255;

    Kind kind = Kind::http;
    Address address{};
    std::string user{}; // empty: without a login
    std::string password{};

    bool has_login() const { return !user.empty(); }

    friend bool operator==(const ForwardProxy&, const ForwardProxy&) = default;
};

// A URL. Without a scheme it is http://; socks5:// and socks5h:// are the same, and have port 1080
// unless another is given. Throws std::invalid_argument that says what is wrong, without the
// password.
ForwardProxy read_forward_proxy(std::string_view text);

// Without its password: "http://user@proxy.example:3128".
std::string to_string(const ForwardProxy& proxy);

// Why a password cannot be sent to a proxy; empty: it can.
std::string objection_to_proxy_password(std::string_view password);

// Whether there is a password in a text that may be such a URL.
bool has_password(std::string_view url);

// The same text with "***" in the place of a password.
std::string mask_password(std::string_view url);

} // namespace tunnel
