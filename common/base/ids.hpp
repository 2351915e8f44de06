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

// Names one visitor between its announcement and the dial-back. Single use, and unguessable:
// whoever presents it is handed that visitor's connection.
struct Ticket {
    RandomBytes bytes{};

    friend auto operator<=>(const Ticket&, const Ticket&) = default;
};

// Names one run of an origin proxy, so that it can take its own place over after a lost connection
// and no other can.
struct OriginId {
    RandomBytes bytes{};

    friend auto operator<=>(const OriginId&, const OriginId&) = default;
};

// Names one log-in, as a secret of those two: whoever presents it may park data connections.
struct SessionId {
    RandomBytes bytes{};

    friend auto operator<=>(const SessionId&, const SessionId&) = default;
};

} // namespace tunnel

template <>
struct std::hash<tunnel::Ticket> {
    // Random already: any of its bytes will do.
    std::size_t operator()(const tunnel::Ticket& ticket) const
    {
        std::size_t value = 0;
        std::memcpy(&value, ticket.bytes.data(), sizeof value);
        return value;
    }
};
