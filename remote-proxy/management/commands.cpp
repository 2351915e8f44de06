#include "remote-proxy/management/commands.hpp"

#include <algorithm>
#include <string>

#include <fmt/format.h>

#include "common/base/log.hpp"
#include "common/commands/fields.hpp"
#include "common/commands/names.hpp"
#include "common/commands/reload_answer.hpp"
#include "common/commands/running_program.hpp"
#include "common/commands/show.hpp"
#include "common/commands/table.hpp"
#include "common/http/target.hpp"
#include "common/options/completion.hpp"

namespace tunnel {

namespace {

constexpr auto left = Table::Align::left;
constexpr auto right = Table::Align::right;

std::string names(const Json& json)
{
    std::string all;
    for (const Json& each : json)
        all += (all.empty() ? "" : ", ") + each.get<std::string>();
    return all;
}

std::string head(const Json& status, const RunningProgram& running)
{
    std::string ready = "ready";
    if (!status.at("ready").get<bool>())
        ready = fmt::format("NOT READY ({})", running.why_not_ready());
    return fits(fmt::format("{} {} at {}: {}", running.name(),
                            log::escape(text_in(status, "version")), running.where(), ready)) +
           fits(fmt::format("{}, {} waiting, {}; what is changed here is kept {}",
                            counted(number_in(status, "visitors"), "visitor"),
                            number_in(status, "waiting"),
                            counted(number_in(status, "parked"), "parked connection"),
                            text_in(status, "kept") == "state-file" ? "in the state file"
                                                                    : "for this run only"));
}

std::string services_table(const Json& services)
{
    Table table({{"SERVICE"},
                 {"OUTSIDE"},
                 {"STATE"},
                 {"FROM", left, 4},
                 {"ORIGIN PROXIES"},
                 {"VISITORS", right},
                 {"TOTAL", right, 3},
                 {"TO ORIGIN", right, 2},
                 {"TO VISITOR", right, 1}});
    for (const Json& each : services)
        table.add({text_in(each, "name"), text_in(each, "outside"), text_in(each, "state"),
                   text_in(each, "from"), names(each.at("origins")), count_in(each, "visitors"),
                   count_in(each, "visitors_total"), bytes_in(each, "bytes_to_origin"),
                   bytes_in(each, "bytes_to_visitor")});
    if (table.empty())
        return "There are no services.\n";
    std::string text = table.text(columns_of_output());
    for (const Json& each : services) {
        if (each.contains("reason") && each.at("reason").is_string()) // an older program has none
            text += fmt::format("{} is {}: {}\n", log::escape(text_in(each, "name")),
                                log::escape(text_in(each, "state")),
                                log::escape(text_in(each, "reason")));
    }
    return text;
}

std::string origins_table(const Json& origins)
{
    Table table({{"ORIGIN PROXY"},
                 {"ADDRESS"},
                 {"VERSION", left, 3},
                 {"STATE"},
                 {"FOR", right, 1},
                 {"ROUND TRIP", right},
                 {"VISITORS", right},
                 {"PARKED", right, 2}});
    for (const Json& each : origins)
        table.add({text_in(each, "name"), text_in(each, "address"), text_in(each, "version"),
                   text_in(each, "state"), age_in(each), round_trip_in(each),
                   count_in(each, "visitors"), count_in(each, "parked")});
    return table.empty() ? "No origin proxy is logged in.\n" : table.text(columns_of_output());
}

CommandResult status(const Command& command, const RunningProgram& running)
{
    Json all;
    all["status"] = running.get("/v1/status");
    running.expect_itself(all["status"]);
    const bool is_good = command.alive || all["status"].at("ready").get<bool>();
    const int exit_code = is_good ? 0 : 1;
    all["services"] = running.all("services");
    all["origins"] = running.all("origins");
    if (command.json)
        return {to_line(all) + '\n', exit_code};
    return {fmt::format("{}\n{}\n{}", head(all["status"], running), services_table(all["services"]),
                        origins_table(all["origins"])),
            exit_code};
}

// The name of one origin proxy, or of the credential that it shares.
bool is_in(const Json& list, const std::string& name)
{
    return std::ranges::any_of(list, [&name](const Json& each) {
        const std::string its = text_in(each, "name");
        return its == name || its.starts_with(name + '/') || its.ends_with('/' + name);
    });
}

// "No visitors" would be misleading for a name that does not exist.
void must_exist(const Command& command, const RunningProgram& running)
{
    const auto look = [&](const char* list, const char* kind, const std::string& name) {
        if (!name.empty() && !is_in(running.all(list), name))
            running.refuse_name(list, kind, name);
    };
    look("services", "service", command.service);
    look("origins", "origin proxy", command.origin);
}

std::string visitors(const Command& command, const RunningProgram& running)
{
    std::string filter;
    if (!command.service.empty())
        filter += "&service=" + encode_segment(command.service);
    if (!command.origin.empty())
        filter += "&origin=" + encode_segment(command.origin);
    const Json all = running.all("visitors", filter);
    if (all.empty())
        must_exist(command, running);
    if (command.json)
        return to_line({{"visitors", all}}) + '\n';
    Table table({{"ID", right},
                 {"ADDRESS"},
                 {"SERVICE"},
                 {"ORIGIN PROXY", left, 1},
                 {"STATE", left, 2},
                 {"AGE", right},
                 {"TO ORIGIN", right},
                 {"TO VISITOR", right}});
    for (const Json& each : all)
        table.add({count_in(each, "id"), text_in(each, "address"), text_in(each, "service"),
                   text_in(each, "origin"), text_in(each, "state"), age_in(each),
                   bytes_in(each, "bytes_to_origin"), bytes_in(each, "bytes_to_visitor")});
    return table.empty() ? "There are no visitors.\n" : table.text(columns_of_output());
}

Json changed(const RunningProgram& running, const std::string& what, const Command& command)
{
    try {
        return running.change(
            fmt::format("/v1/{}/{}/{}", what, encode_segment(command.name), command.word));
    } catch (const NoSuchName&) {
        running.refuse_name(what, command.is_origin ? "origin proxy" : "service", command.name);
    }
}

// drain and resume.
std::string steer(const Command& command, const RunningProgram& running)
{
    const std::string what = command.is_origin ? "origins" : "services";
    const Json now = changed(running, what, command);
    if (command.json)
        return to_line(now) + '\n';
    std::string here;
    if (now.contains("visitors") && command.word == "drain")
        here = fmt::format(" with {} still here", counted(number_in(now, "visitors"), "visitor"));
    const std::string state = text_in(now, "state");
    const bool is_kept = text_in(now, "kept") == "state-file";
    return fmt::format("{} {} is {}{}{}; {}\n", command.is_origin ? "origin proxy" : "service",
                       log::escape(text_in(now, "name")), log::escape(state),
                       state == "closed" ? " until an origin proxy serves it" : "", here,
                       is_kept ? "a restart does not change that"
                               : "this lasts until a restart, because there is no --state-file");
}

} // namespace

int ask_remote_proxy(const Command& command, const ManagementOptions& options)
{
    const RunningProgram running("remote-proxy", options, command);
    if (command.word == command_for_names)
        return print_names(running, command.name);
    return show(command, running.name(), [&]() -> CommandResult {
        if (command.word == "status")
            return status(command, running);
        running.expect_itself(running.get("/v1/status"));
        if (command.word == "visitors")
            return {visitors(command, running)};
        return {command.word == "reload" ? reload(command, running) : steer(command, running)};
    });
}

} // namespace tunnel
