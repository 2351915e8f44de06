// A simple decoder of frames that came whole, to compare the ones that read pieces with.
#pragma once

#include <optional>
#include <string_view>
#include <system_error>
#include <vector>

#include "common/asio.hpp"
#include "common/error.hpp"
#include "common/protocol/frame.hpp"
#include "tests/fuzz/input.hpp"

namespace tunnel::fuzz {

// What a reader finds, and how it ends.
struct Found {
    std::vector<Frame> frames;
    std::error_code end; // eof where a frame is cut off
    std::string_view rest;

    friend bool operator==(const Found& one, const Found& other)
    {
        return one.frames == other.frames && one.end == other.end;
    }
};

// The frames at the beginning of `bytes`, at most `most` of them, up to `largest` bytes each; the
// unknown ones are left out.
inline Found find_frames(std::string_view bytes, std::size_t largest,
                         std::size_t most = static_cast<std::size_t>(-1))
{
    Found found{{}, {}, bytes};
    while (found.frames.size() < most) {
        if (found.rest.size() < FrameHeader::wire_size) {
            found.end = asio::error::eof;
            return found;
        }
        const std::size_t size = big_endian(found.rest.substr(0, 2));
        if (size < FrameHeader::wire_size || size > largest) {
            found.end = Errc::malformed_frame;
            return found;
        }
        if (found.rest.size() < size) {
            found.end = asio::error::eof;
            return found;
        }
        const auto* const data = reinterpret_cast<const std::uint8_t*>(found.rest.data());
        const auto frame =
            decode(data[2], {data + FrameHeader::wire_size, size - FrameHeader::wire_size});
        if (!frame) {
            found.end = Errc::malformed_frame;
            return found;
        }
        if (!std::holds_alternative<Unknown>(*frame))
            found.frames.push_back(*frame);
        found.rest.remove_prefix(size);
    }
    return found;
}

} // namespace tunnel::fuzz
