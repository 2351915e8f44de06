#include "common/management/json.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "common/log.hpp"
#include "common/management/target.hpp"
#include "common/reload.hpp"

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

std::optional<std::uint64_t> number(std::string_view text)
{
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc() || end != text.data() + text.size())
        return std::nullopt;
    return value;
}

} // namespace

std::string to_line(const Json& json)
{
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

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

std::optional<std::uint64_t> Page::after_number() const
{
    return after.empty() ? 0 : number(after);
}

std::variant<Page, Response> page_of(const Request& request)
{
    Page page;
    if (const auto limit = query_value(request.query, "limit")) {
        const auto wanted = number(*limit);
        if (!wanted || *wanted == 0 || *wanted > Page::most)
            return refusal(400, fmt::format("limit is a number from 1 to {}", Page::most));
        page.limit = *wanted;
    }
    page.after = query_value(request.query, "after").value_or("");
    return page;
}

std::optional<std::string> query_value(std::string_view query, std::string_view name)
{
    while (!query.empty()) {
        const std::string_view part = query.substr(0, query.find('&'));
        const std::size_t equals = part.find('=');
        if (part.substr(0, equals) == name)
            return decode_segment(equals == std::string_view::npos ? "" : part.substr(equals + 1));
        query.remove_prefix(std::min(part.size() + 1, query.size()));
    }
    return std::nullopt;
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
