// The bytes that travel, and what the two ends agree on beforehand.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "tests/bench/connection.hpp"

namespace bench {

// The first byte a visitor sends chooses what the origin server does with it, so that one server
// behind one tunnel serves every case.
enum class Service : char {
    echo = 'e',    // all that comes, this byte too, goes back
    sink = 'u',    // 'u' goes back, then blocks are read up to the last; their size goes back
    source = 'd',  // 'd' goes back, then blocks come until the visitor says stop
    respond = 'h', // reads to the end, then sends 300 kB that only a reader of every byte knows
    http = 'G',    // GET requests are answered, see protocol.hpp
    post = 'P',    // the same: a POST may be the first of a connection
    hello = 0x16,  // TLS; but a prepared ClientHello is left out, and the next byte chooses
};

inline constexpr std::size_t request_size = 100'000;
inline constexpr std::size_t response_size = 300'000;

// `size` bytes that `seed` determines.
std::string stream_of(std::uint64_t seed, std::size_t size);

// Depends on every byte and its place.
std::uint64_t digest(std::span<const char> bytes);

// Bulk data has its end in the data: a tunnel that cannot pass on a half-close still has a speed.
// Both block until done, one call per 128 KiB; false with errno set, 0 for an early end.
// on_piece is called before each write, and answers whether this block is to be the last; or after
// each read.
bool write_blocks(Connection& connection, const std::function<bool()>& is_last);
bool read_blocks(Connection& connection, std::uint64_t& bytes,
                 const std::function<void()>& on_read);

} // namespace bench
