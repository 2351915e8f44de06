#include "origin-proxy/parse_service.hpp"

#include <charconv>
#include <set>
#include <stdexcept>

#include <fmt/format.h>

#include "common/configuration/names.hpp"
#include "common/log.hpp"

namespace tunnel {

namespace {

// The ports from `first` on, and the host in front of them.
struct Place {
    std::string host;
    std::uint16_t first = 0;
    std::size_t size = 1;
    bool is_range = false;

    Address address(std::size_t place) const
    {
        return {host, static_cast<std::uint16_t>(first + place)};
    }
};

[[noreturn]] void refuse(std::string_view text, const std::string& why)
{
    throw std::invalid_argument(fmt::format("\"{}\" {}", log::escape(text), why));
}

// A Unix socket, or "HOST:PORT", or "HOST:FIRST-LAST".
struct Servers {
    std::string unix_path;
    Place place;

    ServerAddress address(std::size_t number) const
    {
        return unix_path.empty() ? ServerAddress(place.address(number))
                                 : ServerAddress::unix_socket(unix_path);
    }
};

// "HOST:PORT" or "HOST:FIRST-LAST".
Place parse_place(std::string_view text)
{
    const std::size_t port = text.rfind(':') + 1; // 0: there is none, and then no address
    const std::size_t dash = text.find('-', port);
    const auto address = parse_address(text.substr(0, dash));
    if (!address)
        refuse(text, fmt::format("is not {}, or a range of ports such as localhost:3000-3010",
                                 address_syntax));
    if (dash == std::string_view::npos)
        return {address->host, address->port};
    std::uint16_t last = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data() + dash + 1, end, last);
    if (error != std::errc() || rest != end || address->port == 0 || last < address->port)
        refuse(text, "has no range of ports: it begins at 1 or above, and ends at most at 65535");
    const std::size_t size = static_cast<std::size_t>(last - address->port) + 1;
    if (size > most_services)
        refuse(text, fmt::format("has {} ports, and {} are the most", size, most_services));
    return {address->host, address->port, size, true};
}

Servers parse_servers(std::string_view text)
{
    if (names_unix_socket(text))
        return {read_server_address(text).unix_path, {}};
    const Place place = parse_place(text);
    if (place.first == 0)
        refuse(text, "is a server at port 0, where nobody can connect");
    return {{}, place};
}

// Each port outside is for one server.
void check_sizes(std::string_view text, const Servers& servers, const Place& outside)
{
    if (!servers.unix_path.empty() && outside.is_range)
        refuse(text, "has a range of ports for a Unix socket, which is one server: give one port");
    if (outside.is_range != servers.place.is_range || outside.size != servers.place.size)
        refuse(text, "has ranges of different sizes: each port outside is for one inside");
}

} // namespace

std::vector<OriginService> parse_service(std::string_view text)
{
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos)
        refuse(text,
               fmt::format("is not a service such as web=localhost:8000@80: {}", service_syntax));
    const std::string_view name = text.substr(0, equals);
    if (!is_plain_name(name))
        refuse(name, fmt::format("is no name of a service: 1 to {} letters, digits, \".\", \"_\" "
                                 "and \"-\"",
                                 longest_name));
    const std::string_view places = text.substr(equals + 1);
    // A path may have one of its own.
    const std::size_t at = names_unix_socket(places) ? places.rfind('@') : places.find('@');
    const Servers inside = parse_servers(places.substr(0, at));
    std::optional<Place> outside;
    if (at != std::string_view::npos) {
        const std::string_view where = places.substr(at + 1);
        const bool is_port = where.find(':') == std::string_view::npos;
        outside = parse_place(is_port ? fmt::format(":{}", where) : std::string(where));
        check_sizes(text, inside, *outside);
    }
    std::vector<OriginService> services;
    for (std::size_t place = 0; place < inside.place.size; ++place) {
        OriginService service{std::string(name), inside.address(place)};
        if (inside.place.is_range)
            service.name += fmt::format("[{}]", place);
        if (outside)
            service.outside_address = outside->address(place);
        services.push_back(std::move(service));
    }
    return services;
}

std::string contradiction(const std::vector<OriginService>& services)
{
    if (services.size() > most_services)
        return fmt::format("there are {} services, and {} are the most", services.size(),
                           most_services);
    std::set<std::string_view> names;
    for (const OriginService& each : services) {
        if (!names.insert(each.name).second)
            return fmt::format("there are two services {}", each.name);
    }
    return {};
}

} // namespace tunnel
