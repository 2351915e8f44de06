// What the heads of HTTP/1 requests and responses have in common. No sockets and no clock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tunnel {

// With its last, empty line, and the empty lines before a request.
inline constexpr std::size_t largest_head = 32 * 1024;

inline constexpr std::size_t most_fields = 128;

// How long the body of a message is (RFC 9112 6.3).
struct BodySize {
    enum class Is : std::uint8_t {
        none,
        length,    // `length` bytes, of Content-Length; may be 0
        chunked,   // it tells its end itself
        until_end, // of the connection; of responses only
    };

    Is is = Is::none;
    std::uint64_t length = 0; // below 2^63

    friend bool operator==(const BodySize&, const BodySize&) = default;
};

// One line of a head: views into its bytes.
struct HeaderField {
    std::string_view name;
    std::string_view value; // without the blanks around it

    friend bool operator==(const HeaderField&, const HeaderField&) = default;
};

// Why a message is not taken, for an answer of ours: no bytes of the peer's are in it.
struct MessageProblem {
    unsigned status = 0;
    std::string text{};
};

// How far a head has come.
struct HeadSearch {
    enum class Is : std::uint8_t { incomplete, whole, wrong };

    Is is = Is::incomplete;
    // whole: the bytes of the head, with the empty lines before it. incomplete: the bytes that were
    // seen, which is what the next call is told.
    std::size_t size = 0;
    MessageProblem problem{}; // when it is wrong
};

} // namespace tunnel
