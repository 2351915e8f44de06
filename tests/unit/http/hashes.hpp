// Hashes of passwords for tests, cheap ones.
#pragma once

#include <string>
#include <string_view>

#include "common/http/logins.hpp"

namespace tunnel::test {

inline const std::string open_sesame =
    "$2y$04$abcdefghijklmnopqrstuu/LVz6MZlItEy42I2juLihZ66HnQx/cy";

// "open sesame" in each kind that is taken.
inline const std::string open_sesames[]{
    open_sesame,
    "$2b$04$abcdefghijklmnopqrstuu/LVz6MZlItEy42I2juLihZ66HnQx/cy",
    "$2a$04$abcdefghijklmnopqrstuu/LVz6MZlItEy42I2juLihZ66HnQx/cy",
    "$5$rounds=1000$salt$fn6nUx.sE0fgz/VX03yrwL05pkenQ/0yTOmQ37f3fd4",
    "$6$rounds=1000$saltsalt$/IiX/CoEcxCZ9SksEXnbjfCT1LGvD4z5OpJkaFYl/"
    "T37OAwuKZ8I8BixDhruhPLkw6lS7dw/6wQWgQnGo7lLg/",
    "$y$j75$F5Jx5fExrKuPp53xLKQ..1$b9ipOqv8PnW5AVU85r73I0FOIAcGICbbCril3UpGHU0"};

// As RFC 4648 4 has it.
inline std::string base64(std::string_view bytes)
{
    constexpr std::string_view letters =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string text;
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        unsigned bits = 0;
        for (std::size_t j = i; j < i + 3; ++j)
            bits = bits << 8 | (j < bytes.size() ? static_cast<unsigned char>(bytes[j]) : 0U);
        for (std::size_t j = 0; j < 4; ++j)
            text += i + j > bytes.size() ? '=' : letters[bits >> (18 - 6 * j) & 63];
    }
    return text;
}

inline std::string basic(std::string_view user_and_password)
{
    return "Basic " + base64(user_and_password);
}

} // namespace tunnel::test
