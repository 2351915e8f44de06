// Origin servers side by side, as a flag or a table tells of them, and the services that they make.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/options/text_values.hpp"
#include "origin-proxy/options/service_options.hpp"

namespace tunnel {

// Of one origin proxy. So many offers fit the control connection's outbox at once.
inline constexpr std::size_t most_services = 1000;

// A Unix socket, or as many servers as there are ports.
struct Servers {
    std::string unix_path;
    AddressRange range;

    ServerAddress at(std::size_t place) const
    {
        return unix_path.empty() ? ServerAddress(range.at(place))
                                 : ServerAddress::unix_socket(unix_path);
    }
};

// "unix:/path", "HOST:PORT" or "HOST:FIRST-LAST". Throws std::invalid_argument.
Servers read_servers(std::string_view text);

// Why the ports outside are not those of these servers, each of which has one: "has a range of
// ports on one side only"; empty: they are. A service with names has one server.
std::string mismatch(const Servers& servers, const std::optional<AddressRange>& outside,
                     const PublicNames& names);

// Adds a service for each server, with everything else as in `common`: NAME, or NAME[0] and so on
// in a range.
void add_services(const OriginService& common, const Servers& servers,
                  const std::optional<AddressRange>& outside, std::vector<OriginService>& services);

} // namespace tunnel
