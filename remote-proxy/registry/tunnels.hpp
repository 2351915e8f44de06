// Listeners that the management interface is told of, in threshold's form.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/asio.hpp"
#include "common/management/json_response.hpp"

namespace tunnel {

// One entry of PUT /tunnels.
struct PublicTunnel {
    bool proxy_protocol = false; // the origin server wants a header, v1
    asio::ip::address listen_address{};
    std::string hostname_glob{}; // "" or "*", every name, or as canonical_host_pattern() has it
    std::uint16_t listen_port = 0;
    std::string service{}; // what the origin proxy calls it
    std::string client{};  // name of the origin proxy

    tcp::endpoint endpoint() const { return {listen_address, listen_port}; }

    // Visitors of other names go elsewhere.
    bool has_host() const { return !hostname_glob.empty() && hostname_glob != "*"; }

    // "ip:port", or "ip:port/glob", the name of the service that it is. No origin proxy can offer
    // one that is called so.
    std::string key() const;

    friend bool operator==(const PublicTunnel&, const PublicTunnel&) = default;
};

// Both cannot be listened at.
bool overlap(const tcp::endpoint& one, const tcp::endpoint& other);

// As many as one origin proxy may offer services.
inline constexpr std::size_t most_tunnels = 1000;

// Why something cannot be done that the management interface was asked to do.
class SteeringError : public std::runtime_error {
public:
    // What became of the rest of it.
    enum class Rest : std::uint8_t { unchanged, done };

    // `status` as HTTP has it, `why` a sentence without an end.
    SteeringError(unsigned status, const std::string& why, Rest rest = Rest::unchanged)
        : std::runtime_error(why), status_(status), rest_(rest)
    {
    }

    unsigned status() const { return status_; }

    Rest rest() const { return rest_; }

private:
    unsigned status_;
    Rest rest_;
};

// Throws SteeringError: 422 if it is no list of tunnels, or if two have the same address and host
// name, 400 if an address is none. What is wrong is said with where it stands in the list.
std::vector<PublicTunnel> parse_tunnels(const Json& list);

// As they are written.
Json to_json(const std::vector<PublicTunnel>& tunnels);

// The text as JSON without surprises: no comments, no key twice, not deeper than a few levels.
// Throws SteeringError 422.
Json parse_json(std::string_view text);

} // namespace tunnel
