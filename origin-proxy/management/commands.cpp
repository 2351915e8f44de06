#include "origin-proxy/management/commands.hpp"

#include <string>

#include <fmt/format.h>

#include "common/base/log.hpp"
#include "common/commands/fields.hpp"
#include "common/commands/reload_answer.hpp"
#include "common/commands/running_program.hpp"
#include "common/commands/show.hpp"
#include "common/commands/table.hpp"

namespace tunnel {

namespace {

constexpr auto right = Table::Align::right;

std::string head(const Json& status, const RunningProgram& running)
{
    std::string ready = "ready";
    if (!status.at("ready").get<bool>())
        ready = fmt::format("NOT READY ({})", running.why_not_ready());
    return fits(fmt::format("{} {} at {}: {}", running.name(),
                            log::escape(text_in(status, "version")), running.where(), ready)) +
           fits(fmt::format("{}, {}", counted(number_in(status, "visitors"), "visitor"),
                            counted(number_in(status, "parked"), "parked connection"))) +
           fits(fmt::format("so far {}, {} to origin servers, {} to visitors, {} to origin servers",
                            counted(number_in(status, "visitors_total"), "visitor"),
                            bytes_in(status, "bytes_to_origin"),
                            bytes_in(status, "bytes_to_visitor"),
                            counted(number_in(status, "failed_dials"), "failed connection")));
}

// A sentence for each remote proxy that is reached through a proxy.
std::string ways_of(const Json& remotes)
{
    std::string text;
    for (const Json& each : remotes) {
        const Json through = each.value("through", Json()); // an older program has none
        if (through.is_string())
            text += fits(fmt::format("{} is reached through {}", text_in(each, "name"),
                                     text_in(each, "through")));
    }
    return text.empty() ? text : '\n' + text;
}

std::string remotes_table(const Json& remotes)
{
    Table table({{"REMOTE PROXY"},
                 {"STATE"},
                 {"LOG-INS", right, 2},
                 {"ROUND TRIP", right},
                 {"VISITORS", right},
                 {"PARKED", right, 1}});
    for (const Json& each : remotes)
        table.add({text_in(each, "name"), text_in(each, "state"), count_in(each, "log_ins"),
                   round_trip_in(each), count_in(each, "visitors"), count_in(each, "parked")});
    return table.text(columns_of_output()) + ways_of(remotes);
}

std::string health_in(const Json& service)
{
    const Json& healthy = service.at("healthy");
    if (!healthy.is_boolean())
        return "unchecked";
    return healthy.get<bool>() ? "healthy" : "unhealthy";
}

// A sentence for each service that a remote proxy does not open.
std::string reasons_of(const Json& services)
{
    std::string text;
    for (const Json& each : services) {
        for (const Json& one : each.value("not_open", Json::array()))
            text += fmt::format("{} is not open at {}: {}\n", text_in(each, "name"),
                                text_in(one, "remote"), text_in(one, "reason"));
    }
    return text.empty() ? text : '\n' + text;
}

// A line for each outside address of a service; one for a service that is not open.
std::string services_table(const Json& services)
{
    Table table({{"SERVICE"}, {"ORIGIN SERVER"}, {"HEALTH"}, {"REMOTE PROXY"}, {"OUTSIDE"}});
    for (const Json& each : services) {
        const std::string name = text_in(each, "name");
        const std::string server = text_in(each, "origin_server");
        const std::string health = health_in(each);
        const Json& outside = each.at("outside");
        for (const Json& one : outside)
            table.add({name, server, health, text_in(one, "remote"), text_in(one, "address")});
        const Json why = each.value("not_open", Json::array()); // an older program has none
        for (const Json& one : why)
            table.add({name, server, health, text_in(one, "remote"),
                       fmt::format("not open: {}", text_in(one, "code"))});
        if (outside.empty() && why.empty())
            table.add({name, server, health, "", ""});
    }
    if (table.empty())
        return "There are no services.\n";
    return table.text(columns_of_output()) + reasons_of(services);
}

CommandResult status(const Command& command, const RunningProgram& running)
{
    Json all;
    all["status"] = running.get("/v1/status");
    running.expect_itself(all["status"]);
    const bool is_good = command.alive || all["status"].at("ready").get<bool>();
    const int exit_code = is_good ? 0 : 1;
    all["services"] = running.all("services");
    if (command.json)
        return {to_line(all) + '\n', exit_code};
    return {fmt::format("{}\n{}\n{}", head(all["status"], running),
                        remotes_table(all["status"].at("remotes")),
                        services_table(all["services"])),
            exit_code};
}

} // namespace

int ask_origin_proxy(const Command& command, const ManagementOptions& options)
{
    const RunningProgram running("origin-proxy", options, command);
    return show(command, running.name(), [&]() -> CommandResult {
        if (command.word == "reload") {
            running.expect_itself(running.get("/v1/status"));
            return {reload(command, running)};
        }
        return status(command, running);
    });
}

} // namespace tunnel
