// Where parsers of HTTP/1 see the ends of the messages in the same bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace tunnel::smuggling {

enum class Kind : std::uint8_t {
    request,
    response,
    response_to_head, // all of them are
};

enum class Stop : std::uint8_t {
    more,      // all is read, and what comes next would be as well
    refused,   // at bytes that are no message
    closed,    // behind a message that is the connection's last
    upgraded,  // behind a 101, after which there is no HTTP
    until_end, // in a body that only the end of the connection ends
};

struct MessageEnds {
    std::vector<std::size_t> at{}; // of whole messages; interim responses are none
    Stop stop = Stop::more;
    std::size_t passed = 0; // how many bytes a proxy has passed on by then
};

MessageEnds ends_by_ours(Kind kind, std::string_view bytes);

#ifdef TUNNEL_HAS_LLHTTP
MessageEnds ends_by_llhttp(Kind kind, std::string_view bytes);
#endif

#ifdef TUNNEL_HAS_HTTP_PARSER
MessageEnds ends_by_http_parser(Kind kind, std::string_view bytes);
#endif

} // namespace tunnel::smuggling
