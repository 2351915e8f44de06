#include "origin-proxy/configuration.hpp"

#include <stdexcept>

#include <fmt/format.h>

#include "common/bandwidth_options.hpp"
#include "common/configuration/overlaps.hpp"
#include "common/configuration/table_reader.hpp"
#include "common/text_values.hpp"
#include "origin-proxy/servers.hpp"

namespace tunnel {

namespace {

// One that hangs keeps a turn from others, also when nobody wants it any more.
constexpr milliseconds longest_check = std::chrono::minutes(1);

// One table as it stands there.
struct Told {
    OriginService service; // but for its addresses
    std::optional<Servers> servers;
    std::optional<AddressRange> outside;
};

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
    Told told;
    OriginService& service = told.service;
    service.name = table.key;
    take_rules(service, options);
    TableReader keys(table, "services." + table.key, problems);
    keys.one("origin-server-addr",
             [&told](const std::string& text) { told.servers = read_servers(text); });
    keys.one("outside-addr",
             [&told](const std::string& text) { told.outside = read_address_range(text); });
    keys.one("proxy-protocol", [&service](const std::string& text) {
        service.proxy_protocol = read_proxy_protocol(text);
    });
    read_bandwidth(keys, service.bandwidth);
    read_health_keys(keys, service.health_check);
    keys.one("kind", read_kind);
    keys.finish();
    if (table.find("origin-server-addr") == nullptr)
        problems.add(table.place, fmt::format("services.{} has no origin-server-addr", table.key));
    if (told.servers && told.outside) {
        if (const std::string wrong = mismatch(*told.servers, *told.outside); !wrong.empty())
            problems.add(table.place, fmt::format("services.{} {}", table.key, wrong));
    }
    return told;
}

} // namespace

void read_services(const Setting& services, OriginOptions& options, Problems& problems)
{
    std::vector<Listening> listening;
    for_each_table(services, problems, [&](const Setting& table) {
        const Told told = read_service(table, options, problems);
        if (!told.servers)
            return;
        if (told.outside)
            listening.push_back(
                {"services." + table.key, table.find("outside-addr")->place, *told.outside});
        add_services(told.service, *told.servers, told.outside, options.services);
    });
    look_for_overlaps(listening, problems);
    if (options.services.size() > most_services)
        problems.add(services.place, fmt::format("there are {} services, expected {} at most",
                                                 options.services.size(), most_services));
}

} // namespace tunnel
