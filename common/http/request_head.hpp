// The head of an HTTP/1 request: found among the bytes of a visitor, and parsed. Everything
// doubtful is refused, so that no parser behind this one sees another message. No sockets.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/http/message_head.hpp"

namespace tunnel {

// Looks for the end of the head that `bytes` begin with; up to 8 empty lines may stand before it.
// `searched`: as many bytes of it an earlier call has seen, and they are not looked at again. What
// can be no head is wrong as soon as that shows: control characters, line ends that are not CRLF, a
// first line that is not HTTP/1's, and too many bytes.
HeadSearch find_request_head(std::string_view bytes, std::size_t searched);

// Views into the bytes that were parsed, or into constants.
struct RequestHead {
    std::string_view method; // as they came, these two
    std::string_view target;
    // The target without scheme and authority; "*" of the whole server, for OPTIONS only.
    std::string_view path_and_query;
    // What the Host header says, or the authority of a target that is a whole URL, which must agree
    // with it; with the port, as it came. Empty: none, or an empty one.
    std::string_view host_text;
    std::string host{}; // the canonical name (host_name.hpp) in it; empty: none, or an IP address
    bool is_http_1_0 = false;
    bool keep_alive = false; // the visitor wants to send another request
    bool is_head = false;
    bool is_safe = false; // by its method, RFC 9110 9.2.1: GET, HEAD, OPTIONS, TRACE
    // It offers to speak another protocol, and not HTTP/2; not with a body, nor in HTTP/1.0.
    bool wants_upgrade = false;
    bool expects_continue = false;     // the visitor waits for 100 before it sends the body
    std::string_view authorization;    // the value of that field; empty: none
    BodySize body{};                   // none, length or chunked
    std::vector<HeaderField> fields{}; // all of them, in their order
};

// `head` is what find_request_head found, with the empty lines before it. A problem's status is
// 400, 405 (CONNECT), 417 (an expectation that is not 100-continue), 431 (too many fields) or 505;
// after any of them the connection is of no more use.
std::variant<RequestHead, MessageProblem> parse_request_head(std::string_view head);

// The value of the first field of this name, in any case of its letters; empty: there is none.
std::string_view value_of(const RequestHead& head, std::string_view name);

} // namespace tunnel
