// Where an origin server listens, as people write it: "host:port", or "unix:/path".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/transport/address.hpp"

namespace tunnel {

// What read_server_address understands, for error messages.
inline constexpr std::string_view server_address_syntax =
    "an address such as localhost:8000, 192.0.2.1:80, [2001:db8::1]:80 or :8000, or a Unix socket "
    "such as unix:/run/app.sock";

struct ServerAddress {
    std::string host; // as in Address
    std::uint16_t port = 0;
    std::string unix_path{}; // absolute, and fits a sockaddr_un; empty: it is the two above

    ServerAddress() = default;
    ServerAddress(std::string its_host, std::uint16_t its_port);
    ServerAddress(const Address& address);

    static ServerAddress unix_socket(std::string path);

    bool is_unix() const { return !unix_path.empty(); }

    // Of one that is no Unix socket.
    Address tcp() const { return {host, port}; }

    friend bool operator==(const ServerAddress&, const ServerAddress&) = default;
};

// Whether `text` is meant as a Unix socket; "unix:8000" is a port of a machine called so.
bool names_unix_socket(std::string_view text);

// Throws std::invalid_argument that says what is wrong.
ServerAddress read_server_address(std::string_view text);

// As read_server_address() reads it.
std::string to_string(const ServerAddress& address);

} // namespace tunnel
