#include "common/relay/stream_framer.hpp"

#include <algorithm>
#include <cstring>

namespace tunnel {

void StreamFramer::add_header(std::span<std::byte, frame_header_size> room, std::size_t size,
                              bool raw)
{
    const auto header =
        raw ? frame_header(StreamFrame::raw, 0) : frame_header(StreamFrame::data, size);
    std::ranges::copy(header, room.begin());
    if (raw)
        framing_ = Framing::none;
}

StreamFramer::Taken StreamFramer::take_off(std::span<std::byte> bytes)
{
    Taken taken;
    std::byte* begin = bytes.data();
    std::byte* out = begin;
    const auto pass = [&](std::size_t size) {
        if (out == begin) // the first may stay where it is, and most often is the only one
            begin = out = bytes.data();
        else
            std::memmove(out, bytes.data(), size);
        out += size;
    };
    while (!bytes.empty() && takes_off() && taken.outcome == Outcome::more) {
        if (body_left_ > 0) {
            const std::size_t size = std::min<std::size_t>(body_left_, bytes.size());
            body_left_ = static_cast<std::uint16_t>(body_left_ - size);
            if (kind() == StreamFrame::data)
                pass(size);
            else if (kind() == StreamFrame::refuse)
                taken.outcome = take_refusal_part(bytes.first(size));
            bytes = bytes.subspan(size);
            continue;
        }
        header_[header_held_++] = bytes.front();
        bytes = bytes.subspan(1);
        if (header_held_ == frame_header_size) {
            header_held_ = 0;
            ++taken.headers;
            taken.outcome = begin_frame();
        }
    }
    if (taken.outcome == Outcome::refused || taken.outcome == Outcome::malformed)
        return taken;
    if (taken.outcome == Outcome::ended)
        taken.rest = bytes;
    else if (!takes_off()) // raw from here on
        pass(bytes.size());
    taken.payload = {begin, out};
    return taken;
}

// Its header is complete.
StreamFramer::Outcome StreamFramer::begin_frame()
{
    const std::size_t size =
        std::to_integer<std::size_t>(header_[0]) << 8 | std::to_integer<std::size_t>(header_[1]);
    if (size < frame_header_size)
        return Outcome::malformed;
    body_left_ = static_cast<std::uint16_t>(size - frame_header_size);
    switch (kind()) {
    case StreamFrame::end:
        heard_start_ = true;
        heard_end_ = true;
        return Outcome::ended;
    case StreamFrame::raw:
        heard_start_ = true;
        framing_ = Framing::none;
        return Outcome::more;
    case StreamFrame::start:
    case StreamFrame::data:
        heard_start_ = true;
        return Outcome::more;
    case StreamFrame::refuse:
        return body_left_ == 0 ? Outcome::refused : Outcome::more;
    }
    return Outcome::more; // of a later version: its body is skipped
}

StreamFramer::Outcome StreamFramer::take_refusal_part(std::span<const std::byte> bytes)
{
    if (!refusal_)
        refusal_ = std::make_unique<std::string>();
    refusal_->append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return body_left_ == 0 ? Outcome::refused : Outcome::more;
}

} // namespace tunnel
