// What a client of the management interface asks for.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tunnel {

enum class Method : std::uint8_t { get, head, post, put, patch, remove, options, trace, unknown };

// One request, taken apart. Nothing in it is trusted.
struct Request {
    Method method = Method::unknown;
    // Of its path, each decoded: {"v1", "services"}; of "/" one that is empty.
    std::vector<std::string> segments{};
    std::string query{};          // behind the "?", as it came
    bool is_whole_server = false; // "*" (RFC 9112 3.2.4), no path
    bool is_http_1_0 = false;
    // For whom it is meant: what the target names, else the header. HTTP/1.0 has none of them.
    std::optional<std::string> host = "";
    std::string authorization{}; // of that header, as what follows
    std::string content_type{};
    bool has_body = false;
    bool expects_continue = false; // the client waits for a word before it sends the body
    bool keep_alive = true;        // it may send another one
    std::string body{};
};

} // namespace tunnel
