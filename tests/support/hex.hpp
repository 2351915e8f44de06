// Bytes as people write them down.
#pragma once

#include <span>
#include <string>

#include <fmt/format.h>

namespace tunnel::test {

inline std::string hex(std::span<const std::uint8_t> bytes)
{
    std::string text;
    for (const std::uint8_t byte : bytes)
        text += fmt::format("{:02x}", byte);
    return text;
}

} // namespace tunnel::test
