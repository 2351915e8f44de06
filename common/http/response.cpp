#include "common/http/response.hpp"

#include <array>

#include <fmt/chrono.h>
#include <fmt/format.h>

namespace tunnel {

namespace {

struct StatusText {
    unsigned status;
    std::string_view words;
};

constexpr std::array<StatusText, 27> status_texts{{{200, "OK"},
                                                   {204, "No Content"},
                                                   {308, "Permanent Redirect"},
                                                   {400, "Bad Request"},
                                                   {401, "Unauthorized"},
                                                   {403, "Forbidden"},
                                                   {404, "Not Found"},
                                                   {405, "Method Not Allowed"},
                                                   {408, "Request Timeout"},
                                                   {409, "Conflict"},
                                                   {413, "Content Too Large"},
                                                   {415, "Unsupported Media Type"},
                                                   {417, "Expectation Failed"},
                                                   {421, "Misdirected Request"},
                                                   {422, "Unprocessable Content"},
                                                   {431, "Request Header Fields Too Large"},
                                                   {500, "Internal Server Error"},
                                                   {501, "Not Implemented"},
                                                   {503, "Service Unavailable"},
                                                   {505, "HTTP Version Not Supported"},
                                                   {201, "Created"},
                                                   {202, "Accepted"},
                                                   {411, "Length Required"},
                                                   {507, "Insufficient Storage"},
                                                   {429, "Too Many Requests"},
                                                   {502, "Bad Gateway"},
                                                   {504, "Gateway Timeout"}}};

} // namespace

std::string_view words_of_status(unsigned status)
{
    for (const StatusText& text : status_texts) {
        if (text.status == status)
            return text.words;
    }
    return "Unknown";
}

Response refusal(unsigned status, std::string_view why)
{
    Response response;
    response.status = status;
    response.body = fmt::format("{} {}: {}\n", status, words_of_status(status), why);
    return response;
}

std::string encode(const Response& response, const Sending& sending)
{
    std::string bytes =
        fmt::format("HTTP/1.1 {} {}\r\nDate: {:%a, %d %b %Y %H:%M:%S GMT}\r\n", response.status,
                    words_of_status(response.status), fmt::gmtime(sending.now));
    if (response.events)
        bytes += "Content-Type: text/event-stream\r\n";
    else if (response.status != 204)
        bytes += fmt::format("Content-Type: {}\r\nContent-Length: {}\r\n", response.content_type,
                             response.body.size());
    // An answer describes this moment only, and is never a web page.
    bytes += "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n";
    for (const auto& [name, value] : response.headers)
        bytes += fmt::format("{}: {}\r\n", name, value);
    if (!sending.keep_alive)
        bytes += "Connection: close\r\n";
    else if (sending.says_keep_alive)
        bytes += "Connection: keep-alive\r\n";
    bytes += "\r\n";
    if (!sending.head_only && response.status != 204)
        bytes += response.body;
    return bytes;
}

} // namespace tunnel
