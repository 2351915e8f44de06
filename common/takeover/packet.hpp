// What two processes of one machine say to each other, with the sockets that go along.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "common/base/fd.hpp"

namespace tunnel {

inline constexpr std::size_t largest_packet = std::size_t{64} * 1024;

// The kernel takes 253 at once.
inline constexpr std::size_t most_descriptors_in_packet = 128;

struct Packet {
    std::string text{};
    std::vector<Fd> descriptors{}; // close-on-exec
};

// Both for a Unix socket of the kind SOCK_SEQPACKET, and without waiting: would_block is the answer
// where they would have to.

// Whole or not at all; `descriptors` stay open here.
std::error_code send_packet(int socket, std::string_view text,
                            std::span<const int> descriptors = {});

// The next one. asio::error::eof: the peer has gone. Of one that is too large, message_size.
std::error_code receive_packet(int socket, Packet& packet);

} // namespace tunnel
