// An answer to a request.
#pragma once

#include <cstdint>
#include <ctime>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/asio.hpp"

namespace tunnel {

class EventStream;

struct Response {
    unsigned status = 200;
    std::string body{};
    std::string_view content_type = "text/plain; charset=utf-8";
    std::vector<std::pair<std::string_view, std::string>> headers{}; // further ones
    // Gives the answer to send instead, once it is known. Must not throw.
    std::function<awaitable<Response>()> later{};
    // A body that lasts until one side ends it.
    std::shared_ptr<EventStream> events{};
};

// What stands behind the status in the first line: "Not Found".
std::string_view words_of_status(unsigned status);

// The body is "404 Not Found: why".
Response refusal(unsigned status, std::string_view why);

// How one response is sent.
struct Sending {
    bool head_only = false;       // the request was HEAD: no body
    bool keep_alive = false;      // another request may follow
    bool says_keep_alive = false; // say it in a header, for HTTP/1.0
    std::time_t now = 0;
};

// How often a stream without events sends a sign of life.
inline constexpr std::string_view still_here = ": nothing yet\n\n";

// The bytes of it.
std::string encode(const Response& response, const Sending& sending);

// The interim answer to a client that waits before it sends a body.
inline constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";

} // namespace tunnel
