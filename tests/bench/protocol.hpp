// What a visitor says first, before the bytes that a case is about.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace bench {

enum class Protocol {
    raw,   // nothing: its first byte chooses what the origin server does
    hello, // the prepared ClientHello, and then as raw: for who routes by its name
    https, // TLS and in it HTTP/1.1: for who ends TLS
};

// One request, and how its whole answer is known.
struct Exchange {
    std::string request;
    std::string answer_end; // the last bytes of the answer
    bool until_end = false; // behind them the connection ends
};

// The first exchange of a visitor; `keep`: of one that has more to ask.
Exchange first_exchange(Protocol protocol, bool keep);

// `size` bytes that come back; in HTTPS, where that is not to be had, a request with a short
// answer.
Exchange next_exchange(Protocol protocol, std::size_t size);

// What leads to the raw protocol, and to the end of what answer; both may be empty.
Exchange way_to_raw(Protocol protocol);

// The same from the origin server's side.
struct HttpAnswer {
    std::string_view bytes;
    bool ends = false;   // the connection ends behind it
    bool is_raw = false; // and what follows is in the raw protocol
};

// `head`: a whole request without a body.
HttpAnswer answer_to(std::string_view head);
inline constexpr std::string_view end_of_head = "\r\n\r\n";

} // namespace bench
