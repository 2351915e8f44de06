// What a visitor says first, before the bytes that a case is about.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bench {

enum class Protocol {
    raw,     // nothing: its first byte chooses what the origin server does
    hello,   // the prepared ClientHello, and then as raw: for who routes by its name
    https,   // TLS and in it HTTP/1.1: for who ends TLS
    http,    // HTTP/1.1: for who reads requests
    upgrade, // as http, and its first request is for the raw protocol
};

constexpr bool speaks_http(Protocol protocol)
{
    return protocol == Protocol::https || protocol == Protocol::http ||
           protocol == Protocol::upgrade;
}

// One request, and how its whole answer is known.
struct Exchange {
    std::string request;
    std::string answer_end; // the last bytes of the answer
    bool until_end = false; // behind them the connection ends
};

// The first exchange of a visitor; `keep`: of one that has more to ask.
Exchange first_exchange(Protocol protocol, bool keep);

// `size` bytes that come back; in HTTP, where that is not to be had, a request with a short
// answer.
Exchange next_exchange(Protocol protocol, std::size_t size);

// What leads to the raw protocol, and to the end of what answer; both may be empty.
Exchange way_to_raw(Protocol protocol);

// A request whose body, or whose answer's body, has `size` bytes of any content.
std::string upload_head(std::uint64_t size);
std::string download_head(std::uint64_t size);
inline constexpr std::string_view short_body = "hello world"; // of the answer to an upload, too

// A request for events, which come until the visitor ends, and one of them. Its text is the time at
// which it was sent: both ends read the clock of one machine.
std::string events_head();
std::string event_of(std::chrono::nanoseconds time);
inline constexpr std::chrono::milliseconds event_interval{10};

// The next event in `text`, whose bytes up to its end are removed, or none if it is not there yet.
// Throws std::runtime_error if it is not one of event_of().
std::optional<std::chrono::nanoseconds> take_event(std::string& text);

// The same from the origin server's side.
struct HttpAnswer {
    std::string bytes;
    bool ends = false;          // the connection ends behind it
    bool is_raw = false;        // and what follows is in the raw protocol
    bool has_events = false;    // and events follow
    std::uint64_t upload = 0;   // bytes of the request's body, which are taken first
    std::uint64_t download = 0; // bytes of any content that follow
};

// `head`: a whole request, without its body.
HttpAnswer answer_to(std::string_view head);
inline constexpr std::string_view end_of_head = "\r\n\r\n";

} // namespace bench
