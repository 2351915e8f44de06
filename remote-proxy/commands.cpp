#include "remote-proxy/commands.hpp"

#include <string>

#include <fmt/format.h>

#include "common/log.hpp"
#include "common/management/fields.hpp"
#include "common/management/running_program.hpp"
#include "common/management/show.hpp"
#include "common/management/table.hpp"
#include "common/management/target.hpp"

namespace tunnel {

namespace {

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
    return fmt::format(
        "{} {} at {}: {}\n{}, {} waiting, {}; what is changed here is kept {}\n", running.name(),
        log::escape(text_in(status, "version")), running.where(), ready,
        counted(number_in(status, "visitors"), "visitor"), number_in(status, "waiting"),
        counted(number_in(status, "parked"), "parked connection"),
        text_in(status, "kept") == "state-file" ? "in the state file" : "for this run only");
}

std::string services_table(const Json& services)
{
    Table table({{"SERVICE"},
                 {"OUTSIDE"},
                 {"STATE"},
                 {"FROM"},
                 {"ORIGIN PROXIES"},
                 {"VISITORS", right},
                 {"TOTAL", right},
                 {"TO ORIGIN", right},
                 {"TO VISITOR", right}});
    for (const Json& each : services)
        table.add({text_in(each, "name"), text_in(each, "outside"), text_in(each, "state"),
                   text_in(each, "from"), names(each.at("origins")), count_in(each, "visitors"),
                   count_in(each, "visitors_total"), bytes_in(each, "bytes_to_origin"),
                   bytes_in(each, "bytes_to_visitor")});
    return table.empty() ? "There are no services.\n" : table.text();
}

std::string origins_table(const Json& origins)
{
    Table table({{"ORIGIN PROXY"},
                 {"ADDRESS"},
                 {"VERSION"},
                 {"STATE"},
                 {"FOR", right},
                 {"ROUND TRIP", right},
                 {"VISITORS", right},
                 {"PARKED", right}});
    for (const Json& each : origins)
        table.add({text_in(each, "name"), text_in(each, "address"), text_in(each, "version"),
                   text_in(each, "state"), age_in(each), round_trip_in(each),
                   count_in(each, "visitors"), count_in(each, "parked")});
    return table.empty() ? "No origin proxy is logged in.\n" : table.text();
}

std::string status(const Command& command, const RunningProgram& running)
{
    Json all;
    all["status"] = running.get("/v1/status");
    running.expect_itself(all["status"]);
    all["services"] = running.all("services");
    all["origins"] = running.all("origins");
    if (command.json)
        return to_line(all) + '\n';
    return fmt::format("{}\n{}\n{}", head(all["status"], running), services_table(all["services"]),
                       origins_table(all["origins"]));
}

std::string visitors(const Command& command, const RunningProgram& running)
{
    std::string filter;
    if (!command.service.empty())
        filter += "&service=" + encode_segment(command.service);
    if (!command.origin.empty())
        filter += "&origin=" + encode_segment(command.origin);
    const Json all = running.all("visitors", filter);
    if (command.json)
        return to_line({{"visitors", all}}) + '\n';
    Table table({{"ID", right},
                 {"ADDRESS"},
                 {"SERVICE"},
                 {"ORIGIN PROXY"},
                 {"STATE"},
                 {"AGE", right},
                 {"TO ORIGIN", right},
                 {"TO VISITOR", right}});
    for (const Json& each : all)
        table.add({count_in(each, "id"), text_in(each, "address"), text_in(each, "service"),
                   text_in(each, "origin"), text_in(each, "state"), age_in(each),
                   bytes_in(each, "bytes_to_origin"), bytes_in(each, "bytes_to_visitor")});
    return table.empty() ? "There are no visitors.\n" : table.text();
}

// drain and resume.
std::string steer(const Command& command, const RunningProgram& running)
{
    const std::string what = command.is_origin ? "origins" : "services";
    const Json now = running.change(
        fmt::format("/v1/{}/{}/{}", what, encode_segment(command.name), command.word));
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
                               : "until a restart, since there is no --state-file");
}

} // namespace

int ask_remote_proxy(const Command& command, const ManagementOptions& options)
{
    const RunningProgram running("remote-proxy", options);
    return show(command, running.name(), [&] {
        if (command.word == "status")
            return status(command, running);
        return command.word == "visitors" ? visitors(command, running) : steer(command, running);
    });
}

} // namespace tunnel
