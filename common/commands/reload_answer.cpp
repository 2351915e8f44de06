#include "common/commands/reload_answer.hpp"

#include <fmt/format.h>

#include "common/base/log.hpp"
#include "common/commands/fields.hpp"

namespace tunnel {

namespace {

std::string value_in(const Json& change, const char* key)
{
    const std::string text = log::escape(text_in(change, key));
    return text.empty() ? "nothing" : text;
}

} // namespace

std::string reload(const Command& command, const RunningProgram& running)
{
    Json answer = running.change("/v1/reload");
    answer.erase("kept"); // of a reload that means nothing
    if (command.json)
        return to_line(answer) + '\n';
    std::string changed; // an older program does not say it
    for (const Json& each : answer.value("changed", Json::array()))
        changed += (changed.empty() ? "" : ", ") + log::escape(each.get<std::string>());
    std::string text = changed.empty()
                           ? "reloaded: the files were read again, no option has changed\n"
                           : fmt::format("reloaded: changed {}\n", changed);
    for (const Json& each : answer.value("needs_restart", Json::array()))
        text += fmt::format("{} changed from {} to {}: needs a restart\n",
                            log::escape(text_in(each, "option")), value_in(each, "running"),
                            value_in(each, "configured"));
    return text;
}

} // namespace tunnel
