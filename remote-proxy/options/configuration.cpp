#include "remote-proxy/options/configuration.hpp"

#include <algorithm>
#include <stdexcept>

#include <fmt/format.h>

#include "common/base/log.hpp"
#include "common/options/nearest_name.hpp"
#include "common/options/overlaps.hpp"
#include "common/options/rule_options.hpp"
#include "common/options/table_reader.hpp"
#include "common/options/text_values.hpp"
#include "common/protocol/frame.hpp"
#include "remote-proxy/options/origins_config.hpp"

namespace tunnel {

namespace {

constexpr Choices<Balance, 3> balances{
    {{"least", Balance::least}, {"round-robin", Balance::round_robin}, {"first", Balance::first}}};

// Names of origin proxies whom nobody has heard of are slips, where all have to be named.
void check_origin(const std::string& name, const std::vector<std::string>& known)
{
    if (name.empty())
        throw std::invalid_argument("\"\" is not the name of an origin proxy");
    if (known.empty() || std::ranges::find(known, name) != known.end())
        return;
    const std::string meant = nearest(name, known);
    throw std::invalid_argument(
        fmt::format("\"{}\" has no table [origins.NAME], {}", log::escape(name),
                    meant.empty() ? "expected the name of one that has"
                                  : fmt::format("did you mean {}?", meant)));
}

// One table, but for its name and addresses.
RemoteService read_service(const Setting& table, AddressRange& outside,
                           const std::vector<std::string>& origins, const RemoteOptions& options,
                           Problems& problems)
{
    RemoteService service;
    service.rules = options.rules;
    TableReader keys(table, "services." + table.key, problems);
    keys.one("outside-addr", [&](const std::string& text) { outside = read_address_range(text); });
    keys.several("origins", [&](const std::string& name) {
        check_origin(name, origins);
        service.origins.push_back(name);
    });
    keys.one("balance", [&](const std::string& text) {
        service.balance = read_choice(balances, text, "least, round-robin or first");
    });
    read_rules(keys, table, service_rule_options(), service.rules);
    keys.boolean("required", service.required);
    keys.one("kind", read_kind);
    keys.finish();
    return service;
}

} // namespace

std::vector<Listening> program_addresses(const RemoteOptions& options)
{
    std::vector<Listening> all{{"control-addr", {}, {options.control_address}}};
    if (options.outside_address)
        all.push_back({"outside-addr", {}, {*options.outside_address}});
    return all;
}

std::vector<std::string> read_origins(const Setting& origins, RemoteOptions& options,
                                      Problems& problems)
{
    const OriginsIn in = options.trust.ca_file.empty() ? OriginsIn::configuration
                                                       : OriginsIn::configuration_with_certificates;
    OriginsTable all =
        read_origins(origins, in, problems, options.bandwidth_per_origin[std::string()]);
    options.trust.origins = std::move(all.secrets);
    options.allow_ports.merge(all.allow_ports);
    options.bandwidth_per_origin.merge(all.bandwidth);
    return std::move(all.names);
}

void read_services(const Setting& tables, const std::vector<std::string>& origins,
                   RemoteOptions& options, Problems& problems)
{
    std::vector<Listening> listening = program_addresses(options);
    const bool has_default = options.outside_address.has_value();
    for_each_table(tables, problems, [&](const Setting& table) {
        AddressRange outside;
        const RemoteService service = read_service(table, outside, origins, options, problems);
        const Setting* const address = table.find("outside-addr");
        if (address == nullptr) {
            problems.add(table.place, fmt::format("services.{} has no outside-addr", table.key));
            return;
        }
        if (table.key == default_service && has_default)
            problems.add(table.place, "the service default is that of outside-addr, expected "
                                      "another name");
        listening.push_back({"services." + table.key, address->place, outside});
        for (std::size_t place = 0; place < outside.size; ++place) {
            RemoteService& added = options.services.emplace_back(service);
            added.name = outside.name_at(place, table.key);
            added.outside_address = outside.at(place);
        }
    });
    look_for_overlaps(listening, problems);
}

} // namespace tunnel
