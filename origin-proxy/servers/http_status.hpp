// The first line of an HTTP/1 answer, which is all that a health check looks at.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace tunnel {

// No head is taken that is longer; that of an answer to a health check is some hundred bytes.
inline constexpr std::size_t largest_http_head = 8192;

// The status of the answer that `bytes` begin with, 200 to 599; what says that one is yet to come
// (RFC 9110, section 15.2) is skipped. nullopt: not whole so far; 0: it is no HTTP/1 answer.
std::optional<int> http_status(std::string_view bytes);

// A healthy server answers so: with the page, or with where it is.
constexpr bool is_healthy(int status)
{
    return status >= 200 && status < 400;
}

} // namespace tunnel
