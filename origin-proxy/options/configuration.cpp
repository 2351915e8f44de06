#include "origin-proxy/options/configuration.hpp"

#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "common/options/overlaps.hpp"
#include "common/options/table_reader.hpp"
#include "common/options/value_readers.hpp"
#include "origin-proxy/options/parse_service.hpp"

namespace tunnel {

namespace {

// Of one of the tables. `listening` gets its port, if it has one of its own.
void read_service(const Setting& setting, OriginOptions& options, std::vector<Listening>& listening,
                  Problems& problems)
{
    OriginServiceTable table;
    table.service.name = setting.key;
    table.service.rules = options.rules;
    const std::string called = "services." + setting.key;
    TableReader reader(setting, called, problems);
    reader.read(describe(table));
    reader.finish();
    if (!table.servers || table.outside.lacks_something_of(setting))
        return;
    Outside outside;
    try {
        outside = table.outside.combined();
    } catch (const std::invalid_argument& error) {
        const bool has_kind_alone = !table.outside.outside && table.outside.hosts.empty();
        problems.add(setting.place,
                     fmt::format("{} {}{}", called, error.what(),
                                 has_kind_alone ? "; or leave kind out, if the options of the "
                                                  "remote proxy say where it is"
                                                : ""));
    }
    if (const std::string wrong = mismatch(*table.servers, outside.addresses, outside.names);
        !wrong.empty()) {
        problems.add(setting.place, fmt::format("{} {}", called, wrong));
        return;
    }
    if (outside.addresses) {
        const Setting* const key = setting.find(outside_key);
        listening.push_back(
            {called, (key ? key : setting.find(outside_addr_key))->place, *outside.addresses});
    }
    table.service.names = std::move(outside.names);
    table.service.speaks_http = outside.is_http;
    add_services(table.service, *table.servers, outside.addresses, options.services);
    if (!options.services.back().may_be_http()) {
        for (const char* const key : {host_header_key, basic_auth_file_key, reuse_key}) {
            if (const Setting* const given = setting.find(key))
                problems.add(given->place, only_for_http(key, called));
        }
    }
}

} // namespace

OptionList describe(OriginServiceTable& table)
{
    OptionList all{
        {"origin-server-addr",
         as_text("HOST:PORT[-PORT]|unix:PATH",
                 [&table](const std::string& text) { table.servers = read_servers(text); }),
         "The server to make reachable", Trait::required}};
    append(all, describe(table.outside));
    append(all, describe(table.service.rules));
    for (Option& each : all)
        each.traits = each.traits | Trait::reloads;
    return all;
}

void read_services(const Setting& services, OriginOptions& options, Problems& problems)
{
    std::vector<Listening> listening;
    for_each_table(services, problems, [&](const Setting& setting) {
        read_service(setting, options, listening, problems);
    });
    look_for_overlaps(listening, problems);
    if (options.services.size() > most_services)
        problems.add(services.place, fmt::format("there are {} services, expected {} at most",
                                                 options.services.size(), most_services));
    else if (const std::string wrong = contradiction(options.services); !wrong.empty())
        problems.add(services.place, wrong);
}

} // namespace tunnel
