// How requests of a service's visitors are treated where they speak HTTP.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace tunnel {

// The origin proxy offers it, the remote proxy acts on it; what the remote proxy's own options say
// of a service comes first.
struct HttpSettings {
    // What the origin server sees as Host; empty: what the visitor said.
    std::string host_header{};
    // Requests of several visitors may follow each other on one connection to the origin server.
    bool shares_streams = false;
    // Who may come: lines of a basic-auth-file, each a name, a colon and the hash of a password.
    // None: everybody.
    std::vector<std::string> logins{};

    friend bool operator==(const HttpSettings&, const HttpSettings&) = default;
};

// Bounds of one service's logins: lines, and bytes of all with an end for each line.
inline constexpr std::size_t most_logins = 64;
inline constexpr std::size_t largest_logins = 8 * 1024;

// Bytes of the logins of all services of one origin proxy, which are offered at once.
inline constexpr std::size_t largest_logins_of_all = 512 * 1024;

// What they count for these bounds.
inline std::size_t size_of_logins(const std::vector<std::string>& lines)
{
    std::size_t size = 0;
    for (const std::string& each : lines)
        size += each.size() + 1;
    return size;
}

// A host header is a name with a port, perhaps.
inline constexpr std::size_t longest_host_header = 255;

} // namespace tunnel
