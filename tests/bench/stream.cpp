#include "tests/bench/stream.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

namespace bench {
namespace {

constexpr std::size_t block_size = 128 * 1024;

std::uint64_t mix(std::uint64_t value) // splitmix64
{
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
    value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
    return value ^ (value >> 31);
}

} // namespace

std::string stream_of(std::uint64_t seed, std::size_t size)
{
    std::string bytes(size, '\0');
    for (std::size_t at = 0; at < size; at += sizeof seed) {
        seed += 0x9e3779b97f4a7c15;
        const std::uint64_t word = mix(seed);
        std::memcpy(bytes.data() + at, &word, std::min(sizeof word, size - at));
    }
    return bytes;
}

std::uint64_t digest(std::span<const char> bytes)
{
    std::uint64_t value = 0xcbf29ce484222325; // FNV-1a
    for (const char byte : bytes)
        value = (value ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
    return value;
}

bool write_blocks(Connection& connection, const std::function<bool()>& is_last)
{
    std::vector<char> block(block_size);
    while (block[0] == 0) {
        block[0] = is_last() ? 1 : 0;
        if (!connection.send_all(block))
            return false;
    }
    return true;
}

bool read_blocks(Connection& connection, std::uint64_t& bytes, const std::function<void()>& on_read)
{
    std::vector<char> block(block_size);
    std::size_t filled = 0;
    for (;;) {
        const ssize_t received = connection.receive({block.data() + filled, block_size - filled});
        if (received == 0)
            errno = 0;
        if (received <= 0)
            return false;
        bytes += static_cast<std::uint64_t>(received);
        filled += static_cast<std::size_t>(received);
        on_read();
        if (filled < block_size)
            continue;
        if (block[0] != 0)
            return true;
        filled = 0;
    }
}

} // namespace bench
