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

constexpr Choices<ProxyProtocol, 3> protocols{
    {{"off", ProxyProtocol::off}, {"v1", ProxyProtocol::v1}, {"v2", ProxyProtocol::v2}}};

// One table as it stands there.
struct Told {
    std::optional<AddressRange> server;
    std::optional<AddressRange> outside;
    ProxyProtocol proxy_protocol = ProxyProtocol::off;
    ServiceRates bandwidth{};
};

AddressRange read_server(const std::string& text)
{
    const AddressRange range = read_address_range(text);
    if (range.first.port == 0)
        throw std::invalid_argument("nobody can connect to port 0, expected a port that is open");
    return range;
}

Told read_service(const Setting& table, const OriginOptions& options, Problems& problems)
{
    Told told{{}, {}, options.proxy_protocol, options.bandwidth};
    TableReader keys(table, "services." + table.key, problems);
    keys.one("origin-server-addr",
             [&told](const std::string& text) { told.server = read_server(text); });
    keys.one("outside-addr",
             [&told](const std::string& text) { told.outside = read_address_range(text); });
    keys.one("proxy-protocol", [&told](const std::string& text) {
        told.proxy_protocol = read_choice(protocols, text, "off, v1 or v2");
    });
    read_bandwidth(keys, told.bandwidth);
    keys.one("kind", read_kind);
    keys.finish();
    if (table.find("origin-server-addr") == nullptr)
        problems.add(table.place, fmt::format("services.{} has no origin-server-addr", table.key));
    if (told.server && told.outside && told.server->is_range != told.outside->is_range)
        problems.add(table.place,
                     fmt::format("services.{} has a range of ports on one side only", table.key));
    else if (told.server && told.outside && told.server->size != told.outside->size)
        problems.add(table.place, fmt::format("services.{} has {} ports outside for {} of the "
                                              "origin server, expected as many",
                                              table.key, told.outside->size, told.server->size));
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
        for (std::size_t place = 0; place < told.server->size; ++place) {
            OriginService service{told.server->name_at(place, table.key), told.server->at(place)};
            if (told.outside)
                service.outside_address = told.outside->at(place);
            service.proxy_protocol = told.proxy_protocol;
            service.bandwidth = told.bandwidth;
            options.services.push_back(std::move(service));
        }
    });
    look_for_overlaps(listening, problems);
    if (options.services.size() > most_services)
        problems.add(services.place, fmt::format("there are {} services, expected {} at most",
                                                 options.services.size(), most_services));
}

} // namespace tunnel
