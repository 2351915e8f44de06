// A request to the management interface, or to the HTTP address of the remote proxy.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tunnel {

enum class Method : std::uint8_t { get, head, post, put, patch, remove, options, trace, unknown };

// One request, parsed. Nothing in it is trusted.
struct Request {
    Method method = Method::unknown;
    // Of its path, each decoded: {"v1", "services"}; of "/" one that is empty.
    std::vector<std::string> segments{};
    std::string query{};          // after the "?", not decoded
    bool is_whole_server = false; // "*" (RFC 9112 3.2.4), no path
    bool is_http_1_0 = false;
    // The host that it is meant for, from the target or the Host header; HTTP/1.0 may have neither.
    std::optional<std::string> host = "";
    std::string authorization{}; // from the header, like the following
    std::string content_type{};
    bool has_body = false;
    bool expects_continue = false; // the client waits for 100 before it sends the body
    bool keep_alive = true;        // another request may follow
    std::string body{};
    // Its path and query as they came; "/" for the empty path of a whole URL.
    std::string target{};
    // What the Host header says, which `host` is not if the target is a whole URL.
    std::optional<std::string> host_header{};
};

} // namespace tunnel
