// How a connection between the proxies carries one stream after the other. docs/protocol.md tells
// it for people.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace tunnel {

// Every frame: two bytes with its whole size, big-endian, one of kind, the rest.
inline constexpr std::size_t frame_header_size = 3;
inline constexpr std::size_t largest_frame = 65'535;

// The kinds that the relay knows; others are the control plane's and skipped here.
enum class StreamFrame : std::uint8_t {
    start = 6,  // the other side has taken the stream on
    refuse = 7, // it has not, and the body says why
    data = 12,  // bytes of the stream
    end = 13,   // the stream has ended this way; what follows belongs to the next
    raw = 14,   // all that follows, up to the end of the connection, are bytes of the stream
};

constexpr std::array<std::byte, frame_header_size> frame_header(StreamFrame kind, std::size_t body)
{
    const std::size_t size = frame_header_size + body;
    return {static_cast<std::byte>(size >> 8), static_cast<std::byte>(size & 0xff),
            static_cast<std::byte>(kind)};
}

} // namespace tunnel
