// What the management interface answers.
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
    // What is answered in the place of all this, when that is known. Must not throw.
    std::function<awaitable<Response>()> later{};
    // The body, which goes on until one side ends it.
    std::shared_ptr<EventStream> events{};
};

// "404 Not Found: why", as the body too.
Response refusal(unsigned status, std::string_view why);

// How one response is sent.
struct Sending {
    bool head_only = false;       // the request was HEAD: all but the body
    bool keep_alive = false;      // another request may follow
    bool says_keep_alive = false; // and it is said, as HTTP/1.0 needs it
    std::time_t now = 0;
};

// How often a stream without events says that it lives.
inline constexpr std::string_view still_here = ": nothing yet\n\n";

// The bytes of it.
std::string encode(const Response& response, const Sending& sending);

// What a client is told that waits before it sends a body.
inline constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";

} // namespace tunnel
