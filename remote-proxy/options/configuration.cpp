#include "remote-proxy/options/configuration.hpp"

#include <algorithm>
#include <stdexcept>

#include <fmt/format.h>

#include "common/base/log.hpp"
#include "common/options/nearest_name.hpp"
#include "common/options/overlaps.hpp"
#include "common/options/table_reader.hpp"
#include "common/options/value_readers.hpp"
#include "common/protocol/frame.hpp"
#include "remote-proxy/options/origins_config.hpp"

namespace tunnel {

namespace {

constexpr const char* outside_addr = "outside-addr"; // the flag

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

// What the table makes: one service, or one for each of its ports.
void add_services(const Setting& setting, RemoteServiceTable& table, RemoteOptions& options,
                  std::vector<Listening>& listening, Problems& problems)
{
    const std::string called = "services." + setting.key;
    const Setting* const newer = setting.find(outside_key);
    const Setting* const address = newer != nullptr ? newer : setting.find(outside_addr_key);
    if (table.outside.lacks_something_of(setting)) { // that was said
        if (address != nullptr && table.outside.outside && table.outside.outside->addresses)
            listening.push_back({called, address->place, *table.outside.outside->addresses});
        return;
    }
    Outside outside;
    try {
        outside = table.outside.combined();
    } catch (const std::invalid_argument& error) {
        problems.add(setting.place, fmt::format("{} {}", called, error.what()));
        return;
    }
    table.service.name = setting.key;
    table.service.names = std::move(outside.names);
    table.service.speaks_http = outside.is_http;
    table.service.http.host_header = std::move(table.http.host_header);
    table.service.basic_auth_file = std::move(table.http.basic_auth_file);
    if (!table.service.is_http()) {
        for (const char* const key : {host_header_key, basic_auth_file_key}) {
            if (const Setting* const given = setting.find(key))
                problems.add(given->place, only_for_http(key, called));
        }
    }
    if (table.service.names.given()) {
        options.services.push_back(std::move(table.service));
        return;
    }
    if (address == nullptr) {
        problems.add(setting.place,
                     fmt::format("{} does not say where visitors come: expected outside = "
                                 "\"HOST:PORT\" or \"https://NAME\"",
                                 called));
        return;
    }
    listening.push_back({called, address->place, *outside.addresses});
    for (std::size_t place = 0; place < outside.addresses->size; ++place) {
        RemoteService& added = options.services.emplace_back(table.service);
        added.name = outside.addresses->name_at(place, setting.key);
        added.outside_address = outside.addresses->at(place);
    }
}

} // namespace

OptionList describe(RemoteServiceTable& table,
                    std::function<void(const std::string& name)> check_origin)
{
    RemoteService& service = table.service;
    const auto read_origin = [&service, check = std::move(check_origin)](const std::string& name) {
        check(name);
        service.origins.push_back(name);
    };
    OptionList all = describe(table.outside);
    append(all, {{"origins", as_list("NAME", read_origin), "The origin proxies that may serve it"},
                 {"balance", as_choice(service.balance, balances),
                  "Which origin proxy gets the next visitor"},
                 {"required", as_switch(service.required),
                  "The program is not ready before an origin proxy serves it"}});
    append(all, describe(table.http));
    append(all, describe(service.rules));
    for (Option& each : all)
        each.traits = each.traits | Trait::reloads;
    return all;
}

std::vector<Listening> program_addresses(const RemoteOptions& options)
{
    std::vector<Listening> all{{"control-addr", {}, {options.control_address}}};
    if (options.outside_address)
        all.push_back({outside_addr, {}, {*options.outside_address}});
    for (const Address& each : options.fronts.https)
        all.push_back({"https-addr", {}, {each}});
    for (const Address& each : options.fronts.http)
        all.push_back({"http-addr", {}, {each}});
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
    options.allow_hosts.merge(all.allow_hosts);
    options.bandwidth_per_origin.merge(all.bandwidth);
    return std::move(all.names);
}

void read_services(const Setting& tables, const std::vector<std::string>& origins,
                   RemoteOptions& options, Problems& problems)
{
    std::vector<Listening> listening = program_addresses(options);
    const bool has_default = options.outside_address.has_value();
    const auto check = [&origins](const std::string& name) { check_origin(name, origins); };
    for_each_table(tables, problems, [&](const Setting& setting) {
        RemoteServiceTable table;
        table.service.rules = options.rules;
        TableReader reader(setting, "services." + setting.key, problems);
        reader.read(describe(table, check));
        reader.finish();
        if (setting.key == default_service && has_default)
            problems.add(setting.place, "the service default is that of outside-addr, expected "
                                        "another name");
        add_services(setting, table, options, listening, problems);
    });
    look_for_overlaps(listening, problems);
}

} // namespace tunnel
