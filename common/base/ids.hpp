// The random numbers of the protocol.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>

namespace tunnel {

using RandomBytes = std::array<std::uint8_t, 16>;

// 128 bits from the kernel's generator, from which each thread takes many at a time. Throws
// std::system_error if it has none.
RandomBytes random_bytes();

// Identifies one visitor between its announcement and the dial-back. Valid once, and unguessable:
// the connection that presents it gets the visitor.
struct Ticket {
    RandomBytes bytes{};

    friend auto operator<=>(const Ticket&, const Ticket&) = default;
};

// Identifies one run of an origin proxy: only the same run may take over its own place after a lost
// connection.
struct OriginId {
    RandomBytes bytes{};

    friend auto operator<=>(const OriginId&, const OriginId&) = default;
};

// Identifies one log-in, and is known to the two proxies alone: whoever presents it may park data
// connections.
struct SessionId {
    RandomBytes bytes{};

    friend auto operator<=>(const SessionId&, const SessionId&) = default;
};

} // namespace tunnel

template <>
struct std::hash<tunnel::Ticket> {
    // The bytes are random, so some of them will do.
    std::size_t operator()(const tunnel::Ticket& ticket) const
    {
        std::size_t value = 0;
        std::memcpy(&value, ticket.bytes.data(), sizeof value);
        return value;
    }
};
