#include "origin-proxy/configuration.hpp"

#include <stdexcept>

#include <fmt/format.h>

#include "common/bandwidth_options.hpp"
#include "common/configuration/overlaps.hpp"
#include "common/configuration/table_reader.hpp"
#include "common/text_values.hpp"

namespace tunnel {

namespace {

// So many offers fit the control connection's outbox at once.
constexpr std::size_t most_services = 1000;

// One that hangs keeps a turn from others, also when nobody wants it any more.
constexpr milliseconds longest_check = std::chrono::minutes(1);

constexpr Choices<ProxyProtocol, 3> protocols{
    {{"off", ProxyProtocol::off}, {"v1", ProxyProtocol::v1}, {"v2", ProxyProtocol::v2}}};

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

// One table as it stands there.
struct Told {
    std::optional<Servers> server;
    std::optional<AddressRange> outside;
    ProxyProtocol proxy_protocol = ProxyProtocol::off;
    ServiceRates bandwidth{};
    HealthCheck health_check{};
};

Servers read_server(const std::string& text)
{
    if (names_unix_socket(text))
        return {read_server_address(text).unix_path, {}};
    const AddressRange range = read_address_range(text);
    if (range.first.port == 0)
        throw std::invalid_argument("nobody can connect to port 0, expected a port that is open");
    return {{}, range};
}

// Each port outside is for one server.
void check_sizes(const Setting& table, const Told& told, Problems& problems)
{
    if (!told.server || !told.outside)
        return;
    const AddressRange& inside = told.server->range;
    const AddressRange& outside = *told.outside;
    if (!told.server->unix_path.empty() && outside.is_range)
        problems.add(table.place,
                     fmt::format("services.{} has a range of ports for a Unix socket, which is one "
                                 "server, expected one port",
                                 table.key));
    else if (inside.is_range != outside.is_range)
        problems.add(table.place,
                     fmt::format("services.{} has a range of ports on one side only", table.key));
    else if (inside.size != outside.size)
        problems.add(table.place, fmt::format("services.{} has {} ports outside for {} of the "
                                              "origin server, expected as many",
                                              table.key, outside.size, inside.size));
}

void read_health_keys(TableReader& keys, HealthCheck& check)
{
    constexpr std::uint32_t most_in_a_row = 100;
    const auto number = [&keys](const std::string& key, std::uint32_t& value) {
        keys.one(key, [&value](const std::string& text) {
            value = read_number(text, 1, most_in_a_row);
        });
    };
    keys.one("health-check", [&check](const std::string& text) { read_health_check(text, check); });
    keys.one("health-check-interval",
             [&check](const std::string& text) { check.interval = read_duration(text); });
    keys.one("health-check-timeout", [&check](const std::string& text) {
        check.timeout = read_duration(text);
        if (check.timeout > longest_check)
            refuse_text(text, "a duration of at most 1m");
    });
    number("health-check-failures", check.failures);
    number("health-check-successes", check.successes);
}

Told read_service(const Setting& table, const OriginOptions& options, Problems& problems)
{
    Told told{{}, {}, options.proxy_protocol, options.bandwidth, options.health_check};
    TableReader keys(table, "services." + table.key, problems);
    keys.one("origin-server-addr",
             [&told](const std::string& text) { told.server = read_server(text); });
    keys.one("outside-addr",
             [&told](const std::string& text) { told.outside = read_address_range(text); });
    keys.one("proxy-protocol", [&told](const std::string& text) {
        told.proxy_protocol = read_choice(protocols, text, "off, v1 or v2");
    });
    read_bandwidth(keys, told.bandwidth);
    read_health_keys(keys, told.health_check);
    keys.one("kind", read_kind);
    keys.finish();
    if (table.find("origin-server-addr") == nullptr)
        problems.add(table.place, fmt::format("services.{} has no origin-server-addr", table.key));
    check_sizes(table, told, problems);
    return told;
}

} // namespace

void read_services(const Setting& services, OriginOptions& options, Problems& problems)
{
    std::vector<Listening> listening;
    for_each_table(services, problems, [&](const Setting& table) {
        const Told told = read_service(table, options, problems);
        if (!told.server)
            return;
        if (told.outside)
            listening.push_back(
                {"services." + table.key, table.find("outside-addr")->place, *told.outside});
        for (std::size_t place = 0; place < told.server->range.size; ++place) {
            OriginService service{told.server->range.name_at(place, table.key),
                                  told.server->at(place)};
            if (told.outside)
                service.outside_address = told.outside->at(place);
            service.proxy_protocol = told.proxy_protocol;
            service.bandwidth = told.bandwidth;
            service.health_check = told.health_check;
            options.services.push_back(std::move(service));
        }
    });
    look_for_overlaps(listening, problems);
    if (options.services.size() > most_services)
        problems.add(services.place, fmt::format("there are {} services, expected {} at most",
                                                 options.services.size(), most_services));
}

} // namespace tunnel
