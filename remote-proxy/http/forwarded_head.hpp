// Heads as they are passed on: a visitor's to the origin server, and the server's to the visitor.
#pragma once

#include <string>
#include <string_view>

#include "common/http/request_head.hpp"
#include "common/http/response_head.hpp"

namespace tunnel {

// What is said of a visitor to the origin server. Nothing in it may have control characters.
struct ForwardRules {
    std::string visitor_address{}; // an IP address without port and brackets; empty: unknown
    // Its own X-Forwarded-* and Forwarded are true: a proxy of ours, say. Those of others are
    // dropped.
    bool trusts_visitor = false;
    std::string_view scheme = "http"; // which the visitor spoke, or https
    std::string host_header{};        // instead of the visitor's Host; empty: that one
    std::string user{}; // who logged in with us; empty: nobody, and Authorization is the server's
};

// Appends the head of the request that the origin server gets. The fields keep their order and
// their bytes; those of this connection only (RFC 9110 7.6.1) are dropped. It is no more than 8 KiB
// longer than what came, apart from what the rules say.
void append_request(std::string& out, const RequestHead& head, const ForwardRules& rules);

// Appends the head of the response that the visitor gets. `keep_alive`: the visitor's connection
// stays open after it. Nothing is appended of an interim response to a visitor of HTTP/1.0, who
// knows none (RFC 9110 15.2).
void append_response(std::string& out, const ResponseHead& head, bool keep_alive,
                     bool visitor_is_http_1_0);

} // namespace tunnel
