// The name and password of an Authorization header.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/private_text.hpp"

namespace tunnel {

// Of RFC 7617.
struct BasicCredentials {
    static constexpr std::size_t longest_header = 512;

    std::string user;
    PrivateText password;
};

// nullopt: the header's value is not exactly "Basic", a blank and base64 of "user:password", is
// longer than 512 bytes, has control characters, or no user.
std::optional<BasicCredentials> parse_basic_credentials(std::string_view authorization);

} // namespace tunnel
