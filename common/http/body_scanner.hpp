// Finds the end of a message's body while its bytes pass.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/http/message_head.hpp"

namespace tunnel {

// Nothing is decoded and nothing kept: the bytes are forwarded as they came. Of a chunked body
// everything but the data of chunks is checked (RFC 9112 7.1): sizes, extensions and trailers, and
// that lines end in CRLF. Small, and copied freely.
class BodyScanner {
public:
    enum class State : std::uint8_t {
        more,  // until_end: whatever came, the end of the connection is the body's
        whole, // what follows belongs to the next message
        wrong, // what follows is no body
    };

    explicit BodyScanner(BodySize size);

    // How many of the bytes belong to the body; fewer than all when it is whole or wrong then.
    std::size_t put(std::string_view bytes);

    State state() const { return state_; }

    // As many bytes belong to the body whatever they are, and need not be shown: the rest of a
    // Content-Length or of a chunk, UINT64_MAX until the end of a connection. 0: show the next.
    std::uint64_t unseen() const;

    // They have passed without being shown: at most unseen().
    void skip(std::uint64_t bytes);

private:
    // Where the next byte stands, in this order.
    enum class Part : std::uint8_t {
        size_begin,
        size,
        size_blank,
        extension,
        quoted,
        escaped,
        size_end,
        data,
        data_cr,
        data_lf,
        trailer_begin,
        trailer_name,
        trailer_value,
        trailer_end,
        last_lf,
        length,
        until_end,
    };

    void take(char c);
    void take_in_size(char c);
    void take_in_trailer(char c);

    static constexpr std::size_t longest_name_kept = 32;

    State state_ = State::more;
    Part part_;
    std::uint8_t digits_ = 0;    // of the chunk's size
    std::uint8_t name_size_ = 0; // of the trailer's name, as far as it is kept
    std::uint16_t line_ = 0;     // bytes of the extension, or of all trailers
    std::uint64_t left_ = 0;     // of the body, or of the chunk
    std::array<char, longest_name_kept> name_{};
};

} // namespace tunnel
