#include "origin-proxy/options/configuration.hpp"

#include <stdexcept>

#include <fmt/format.h>

#include "common/options/overlaps.hpp"
#include "common/options/rule_options.hpp"
#include "common/options/table_reader.hpp"
#include "common/options/text_values.hpp"
#include "origin-proxy/options/servers.hpp"

namespace tunnel {

namespace {

// One table as it stands there.
struct Told {
    OriginService service; // but for its addresses
    std::optional<Servers> servers;
    std::optional<AddressRange> outside;
};

Told read_service(const Setting& table, const OriginOptions& options, Problems& problems)
{
    Told told;
    OriginService& service = told.service;
    service.name = table.key;
    service.rules = options.rules;
    TableReader keys(table, "services." + table.key, problems);
    keys.one("origin-server-addr",
             [&told](const std::string& text) { told.servers = read_servers(text); });
    keys.one("outside-addr",
             [&told](const std::string& text) { told.outside = read_address_range(text); });
    read_rules(keys, table, serving_rule_options(), service.rules);
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
