// Frames of a parked connection, as a peer played by hand sends them.
#pragma once

#include <string>
#include <string_view>

#include "common/relay/framing.hpp"

namespace tunnel::test {

inline std::string stream_frame(StreamFrame kind, std::string_view body = {})
{
    std::string bytes;
    for (const std::byte byte : frame_header(kind, body.size()))
        bytes += static_cast<char>(byte);
    return bytes.append(body);
}

inline std::string data_frame(std::string_view body)
{
    return stream_frame(StreamFrame::data, body);
}

inline const std::string end_frame = stream_frame(StreamFrame::end);
inline const std::string start_frame = stream_frame(StreamFrame::start);
inline const std::string raw_frame = stream_frame(StreamFrame::raw);

} // namespace tunnel::test
