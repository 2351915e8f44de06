// What a Host header, or the authority of a URL, names.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tunnel {

struct HostText {
    std::string name{};         // canonical (host_name.hpp); empty: it is an IP address, or none
    std::string_view address{}; // as it came, without brackets; empty: it is a name, or none
    std::uint16_t port = 0;     // 0: none is named

    friend bool operator==(const HostText&, const HostText&) = default;
};

// nullopt: it is neither a name nor an address, or its port is none. The empty text names nothing
// (RFC 9112 3.2).
std::optional<HostText> parse_host_text(std::string_view text);

} // namespace tunnel
