// The head of an HTTP/1 response: found among the bytes of an origin server, and parsed, as
// strictly as a request's. No sockets.
#pragma once

#include <cstddef>
#include <string_view>
#include <variant>
#include <vector>

#include "common/http/message_head.hpp"

namespace tunnel {

// As find_request_head, but no empty lines may stand before it, and each problem's status is 502.
HeadSearch find_response_head(std::string_view bytes, std::size_t searched);

// Views into the bytes that were parsed.
struct ResponseHead {
    unsigned status = 0; // 100 to 999
    std::string_view reason;
    bool is_http_1_0 = false;
    // The server leaves the connection open, and it is known where the body ends.
    bool keep_alive = false;
    BodySize body{};
    bool is_interim = false; // 1xx but 101: another response follows
    bool is_upgrade = false; // 101: what follows is no HTTP
    // It begins to authenticate the connection (NTLM, Negotiate), not each request: no other
    // visitor may ever use this one.
    bool is_connection_bound = false;
    std::vector<HeaderField> fields{}; // all of them, in their order
};

// `head` is what find_response_head found. `to_head_request`: the response is to a HEAD, and has no
// body whatever it says. A problem's status is 502.
std::variant<ResponseHead, MessageProblem> parse_response_head(std::string_view head,
                                                               bool to_head_request);

} // namespace tunnel
