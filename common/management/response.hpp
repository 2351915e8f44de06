// What the management interface answers.
#pragma once

#include <cstdint>
#include <ctime>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tunnel {

struct Response {
    unsigned status = 200;
    std::string body{};
    std::string_view content_type = "text/plain; charset=utf-8";
    std::vector<std::pair<std::string_view, std::string>> headers{}; // further ones
};

// "404 Not Found: why", as the body too.
Response refusal(unsigned status, std::string_view why);

// How one response is sent.
struct Sending {
    bool head_only = false;  // the request was HEAD: all but the body
    bool keep_alive = false; // another request may follow
    std::time_t now = 0;
};

// The bytes of it.
std::string encode(const Response& response, const Sending& sending);

// What a client is told that waits before it sends a body.
inline constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";

} // namespace tunnel
