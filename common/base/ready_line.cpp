#include "common/base/ready_line.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace tunnel {

namespace {

std::string render_ready_text(const ReadyLine& line)
{
    std::string text = "ready";
    for (const ReadyLine::Pairs* const pairs : {&line.facts, &line.services})
        for (const auto& [name, value] : *pairs)
            text += fmt::format(" {}={}", log::escape(name), log::escape(value));
    return text;
}

} // namespace

std::string render(const ReadyLine& line, log::Format format,
                   std::chrono::system_clock::time_point time)
{
    if (format == log::Format::text)
        return render_ready_text(line);
    auto object = nlohmann::ordered_json::parse(
        log::render(log::Format::json, time, log::Level::info, "ready", {}, false));
    for (const auto& [name, value] : line.facts)
        object[name] = value;
    for (const auto& [name, address] : line.services)
        object["services"][name] = address;
    return object.dump(-1, ' ', true, nlohmann::ordered_json::error_handler_t::replace);
}

} // namespace tunnel
