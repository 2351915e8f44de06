#include "origin-proxy/options/configuration.hpp"

#include <fmt/format.h>

#include "common/options/overlaps.hpp"
#include "common/options/table_reader.hpp"
#include "common/options/value_readers.hpp"

namespace tunnel {

namespace {

constexpr const char* outside_addr = "outside-addr";

OriginServiceTable read_service(const Setting& setting, const OriginOptions& options,
                                Problems& problems)
{
    OriginServiceTable table;
    table.service.name = setting.key;
    table.service.rules = options.rules;
    const std::string called = "services." + setting.key;
    TableReader reader(setting, called, problems);
    reader.read(describe(table));
    reader.finish();
    if (table.servers && table.outside) {
        if (const std::string wrong = mismatch(*table.servers, *table.outside); !wrong.empty())
            problems.add(setting.place, fmt::format("{} {}", called, wrong));
    }
    return table;
}

} // namespace

OptionList describe(OriginServiceTable& table)
{
    OptionList all{
        {"origin-server-addr",
         as_text("HOST:PORT[-PORT]|unix:PATH",
                 [&table](const std::string& text) { table.servers = read_servers(text); }),
         "The server to make reachable", Trait::required},
        {outside_addr,
         as_text("HOST:PORT[-PORT]",
                 [&table](const std::string& text) { table.outside = read_address_range(text); }),
         "Where visitors connect to, on the remote proxy's machine"}};
    append(all, describe(table.service.rules));
    append(all, {{"kind", as_text("KIND", read_kind, "tcp"), "What visitors speak"}});
    for (Option& each : all)
        each.traits = each.traits | Trait::reloads;
    return all;
}

void read_services(const Setting& services, OriginOptions& options, Problems& problems)
{
    std::vector<Listening> listening;
    for_each_table(services, problems, [&](const Setting& setting) {
        const OriginServiceTable table = read_service(setting, options, problems);
        if (!table.servers)
            return;
        if (table.outside)
            listening.push_back(
                {"services." + setting.key, setting.find(outside_addr)->place, *table.outside});
        add_services(table.service, *table.servers, table.outside, options.services);
    });
    look_for_overlaps(listening, problems);
    if (options.services.size() > most_services)
        problems.add(services.place, fmt::format("there are {} services, expected {} at most",
                                                 options.services.size(), most_services));
}

} // namespace tunnel
