// The frames of one direction of a stream. Bytes in, bytes out; no I/O.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "common/relay/framing.hpp"

namespace tunnel {

// What a direction does about the frames of a framed connection.
enum class Framing : std::uint8_t { none, adds, takes_off };

// Puts a stream into frames, or takes the frames off. From a raw frame on it does neither: what
// follows is the stream as it is, up to the end of the connection.
class StreamFramer {
public:
    enum class Outcome : std::uint8_t {
        more,      // the stream goes on
        ended,     // it has ended
        refused,   // it was not taken on, and take_refusal() is the body of the frame
        malformed, // that is no frame
    };

    // What was in some bytes that came; the spans are parts of these.
    struct Taken {
        Outcome outcome = Outcome::more;
        std::span<const std::byte> payload{}; // gathered; empty when refused or malformed
        std::span<const std::byte> rest{};    // after the end: the next stream's
        std::size_t headers = 0;              // complete ones, each of which takes time
    };

    explicit StreamFramer(Framing framing) : framing_(framing) {}

    bool adds() const { return framing_ == Framing::adds; }

    bool takes_off() const { return framing_ == Framing::takes_off; }

    // The connection can carry another stream after this one.
    bool in_frames() const { return framing_ != Framing::none; }

    bool is_between_frames() const { return header_held_ == 0 && body_left_ == 0; }

    // Writes the header of `size` bytes that go out next into the room before them: of a data
    // frame, or of a raw one, after which no header is added any more.
    void add_header(std::span<std::byte, frame_header_size> room, std::size_t size, bool raw);

    // Takes the frames off, in place. Frames may come in any pieces. Not to be called after an
    // outcome other than `more`, nor once takes_off() is false.
    Taken take_off(std::span<std::byte> bytes);

    // The peer has taken the stream on.
    bool heard_start() const { return heard_start_; }

    bool heard_end() const { return heard_end_; }

    std::string take_refusal() { return refusal_ ? std::move(*refusal_) : std::string(); }

private:
    StreamFrame kind() const { return static_cast<StreamFrame>(header_[2]); }

    Outcome begin_frame();
    Outcome take_refusal_part(std::span<const std::byte> bytes);

    std::unique_ptr<std::string> refusal_;              // what has come of it
    std::array<std::byte, frame_header_size> header_{}; // of the frame that is being taken off
    std::uint8_t header_held_ = 0;
    std::uint16_t body_left_ = 0;
    Framing framing_;
    bool heard_start_ : 1 = false; // bits, since each idle visitor has four of these
    bool heard_end_ : 1 = false;
};

} // namespace tunnel
