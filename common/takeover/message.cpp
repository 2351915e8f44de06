#include "common/takeover/message.hpp"

#include <fmt/format.h>

#include "common/base/json.hpp"

namespace tunnel::takeover {

namespace {

struct Encoder {
    Json operator()(const Hello& hello) const
    {
        return {{"kind", "hello"},
                {"lowest", hello.lowest},
                {"highest", hello.highest},
                {"program", hello.program},
                {"program_version", hello.program_version}};
    }

    Json operator()(const Refused& refused) const
    {
        return {{"kind", "refused"}, {"why", refused.why}};
    }

    Json operator()(const Sockets& sockets) const
    {
        return {{"kind", "sockets"}, {"uses", sockets.uses}, {"last", sockets.is_last}};
    }

    Json operator()(const Ready&) const { return {{"kind", "ready"}}; }

    Json operator()(const State& state) const
    {
        return {{"kind", "state"}, {"text", state.text}, {"last", state.is_last}};
    }

    Json operator()(const Serving&) const { return {{"kind", "serving"}}; }

    Json operator()(const Left&) const { return {{"kind", "left"}}; }
};

Message message_of(const Json& json)
{
    const std::string kind = json.at("kind").get<std::string>();
    if (kind == "hello")
        return Hello{json.at("lowest").get<int>(), json.at("highest").get<int>(),
                     json.at("program").get<std::string>(),
                     json.at("program_version").get<std::string>()};
    if (kind == "refused")
        return Refused{json.at("why").get<std::string>()};
    if (kind == "sockets")
        return Sockets{json.at("uses").get<std::vector<std::string>>(),
                       json.at("last").get<bool>()};
    if (kind == "ready")
        return Ready{};
    if (kind == "state")
        return State{json.at("text").get<std::string>(), json.at("last").get<bool>()};
    if (kind == "serving")
        return Serving{};
    if (kind == "left")
        return Left{};
    throw std::invalid_argument(kind);
}

} // namespace

std::string encode(const Message& message)
{
    return to_line(std::visit(Encoder(), message));
}

std::optional<Message> decode(std::string_view text)
{
    // The parser recurses into what is nested.
    constexpr int deepest = 8;
    const auto bounded = [](int depth, Json::parse_event_t, Json&) {
        if (depth > deepest)
            throw std::invalid_argument("too deep");
        return true;
    };
    try {
        return message_of(Json::parse(text, bounded));
    } catch (const std::exception&) {
        return std::nullopt;
    }
}

std::string objection(const Hello& hello, const Hello& running)
{
    if (hello.program != running.program)
        return fmt::format("here runs {}, and {} cannot take it over", running.program,
                           hello.program.empty() ? "another program" : hello.program);
    if (hello.lowest > running.highest || hello.highest < running.lowest ||
        hello.lowest > hello.highest)
        return fmt::format("{} {} runs here and speaks the versions {} to {} of a takeover, {} the "
                           "versions {} to {}: stop the one, and start the other",
                           running.program, running.program_version, running.lowest,
                           running.highest, hello.program_version, hello.lowest, hello.highest);
    return {};
}

} // namespace tunnel::takeover
