// What a client of the management interface asks for.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tunnel {

enum class Method : std::uint8_t { get, head, post, put, patch, remove, options, trace, unknown };

// One request, taken apart. Nothing in it is trusted.
struct Request {
    Method method = Method::unknown;
    // Of its path, each decoded: {"v1", "services"}; of "/" one that is empty.
    std::vector<std::string> segments{};
    std::string query{}; // behind the "?", as it came
    std::string host{};  // of that header, as all that follow
    std::string authorization{};
    std::string content_type{};
    bool has_body = false;
    bool expects_continue = false; // the client waits for a word before it sends the body
    bool keep_alive = true;        // it may send another one
    std::string body{};
};

} // namespace tunnel
