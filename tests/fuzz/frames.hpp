// A simple decoder of frames that came whole, to compare the ones that read pieces with.
#pragma once

#include <optional>
#include <string_view>
#include <system_error>
#include <vector>

#include "common/base/asio.hpp"
#include "common/base/error.hpp"
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

inline constexpr std::size_t all = static_cast<std::size_t>(-1);

// The frames at the beginning of `bytes`, at most `most` of them, up to `largest` bytes each; the
// unknown ones are left out, of which there may be `most_unknown`: in all, or in a row.
inline Found find_frames(std::string_view bytes, std::size_t largest, std::size_t most = all,
                         std::size_t most_unknown = all, bool in_a_row = false)
{
    Found found{{}, {}, bytes};
    std::size_t unknown = 0;
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
        found.rest.remove_prefix(size);
        if (!std::holds_alternative<Unknown>(*frame)) {
            found.frames.push_back(*frame);
            if (in_a_row)
                unknown = 0;
        } else if (++unknown > most_unknown && most_unknown != all) {
            found.end = Errc::too_many_unknown;
            return found;
        }
    }
    return found;
}

} // namespace tunnel::fuzz
