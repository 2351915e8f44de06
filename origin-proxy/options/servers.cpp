#include "origin-proxy/options/servers.hpp"

#include <stdexcept>

#include <fmt/format.h>

namespace tunnel {

Servers read_servers(std::string_view text)
{
    if (names_unix_socket(text))
        return {read_server_address(text).unix_path, {}};
    const AddressRange range = read_address_range(text);
    if (range.first.port == 0)
        throw std::invalid_argument("nobody can connect to port 0, expected a port that is open");
    return {{}, range};
}

namespace {

std::string mismatch(const Servers& servers, const AddressRange& outside)
{
    if (!servers.unix_path.empty() && outside.is_range)
        return "has a range of ports for a Unix socket, which is one server, expected one port";
    if (servers.range.is_range != outside.is_range)
        return "has a range of ports on one side only";
    if (servers.range.size != outside.size)
        return fmt::format("has {} ports outside for {} of the origin server, expected as many",
                           outside.size, servers.range.size);
    return {};
}

} // namespace

std::string mismatch(const Servers& servers, const std::optional<AddressRange>& outside,
                     const PublicNames& names)
{
    if (names.given() && servers.range.is_range)
        return "has a range of ports for names that lead to one server, expected one port";
    return outside ? mismatch(servers, *outside) : std::string();
}

void add_services(const OriginService& common, const Servers& servers,
                  const std::optional<AddressRange>& outside, std::vector<OriginService>& services)
{
    for (std::size_t place = 0; place < servers.range.size; ++place) {
        OriginService& added = services.emplace_back(common);
        added.name = servers.range.name_at(place, common.name);
        added.origin_server_address = servers.at(place);
        if (outside)
            added.outside_address = outside->at(place);
    }
}

} // namespace tunnel
