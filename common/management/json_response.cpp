#include "common/management/json_response.hpp"

#include <utility>

#include <fmt/format.h>

#include "common/base/log.hpp"
#include "common/options/reload.hpp"

namespace tunnel {

namespace {

// There is a line for each problem.
std::string in_one_line(std::string_view lines)
{
    std::string line;
    for (const char c : lines)
        line += c == '\n' ? std::string("; ") : std::string(1, c);
    return line;
}

} // namespace

Response json_response(const Json& json, unsigned status)
{
    return {status, to_line(json) + '\n', "application/json"};
}

Response no_such(std::string_view name)
{
    return refusal(404, fmt::format("there is no \"{}\"", log::escape(name)));
}

Response to_response(const std::vector<OptionChange>& changes)
{
    Json changed = Json::array();
    Json needs_restart = Json::array();
    for (const OptionChange& each : changes) {
        if (each.applied)
            changed.push_back(each.key);
        else
            needs_restart.push_back(
                {{"option", each.key}, {"running", each.from}, {"configured", each.to}});
    }
    Json answer{{"reloaded", true}};
    answer["changed"] = std::move(changed);
    answer["needs_restart"] = std::move(needs_restart);
    return json_response(answer);
}

awaitable<Response> answer_reload(Reload reload)
{
    ReloadReport report;
    std::string failure;
    bool success = false;
    try {
        success = co_await reload(report);
    } catch (const std::system_error& error) {
        if (error.code() == asio::error::operation_aborted)
            throw;
        failure = error.what();
    }
    Response answer = to_response(report.changes);
    if (!failure.empty())
        answer = refusal(500, failure);
    else if (!success)
        answer = refusal(422, fmt::format("nothing has changed: {}", in_one_line(report.problems)));
    co_return answer;
}

Json list(std::string_view name, Json entries, const std::optional<std::string>& next)
{
    Json all;
    all[std::string(name)] = std::move(entries);
    if (next)
        all["next"] = *next;
    return all;
}

} // namespace tunnel
