#include "remote-proxy/takeover/former_state.hpp"

#include <stdexcept>

#include <fmt/format.h>

#include "common/base/json.hpp"

namespace tunnel {

std::string to_text(const FormerState& state)
{
    Json hosts = Json::object();
    for (const auto& [service, host] : state.hosts)
        hosts[service] = host;
    return to_line({{"saved", to_text(state.saved)},
                    {"open", state.open},
                    {"offered", state.offered},
                    {"hosts", hosts}});
}

FormerState parse_former_state(std::string_view text)
{
    FormerState state;
    try {
        const Json json = Json::parse(text);
        state.saved = parse_saved_state(json.at("saved").get<std::string>());
        state.open = json.at("open").get<std::set<std::string>>();
        state.offered = json.at("offered").get<std::set<std::string>>();
        for (const auto& [service, host] : json.at("hosts").items())
            state.hosts[service] = host.get<std::string>();
    } catch (const Json::exception& error) {
        throw std::runtime_error(
            fmt::format("the running program said what has no meaning: {}", error.what()));
    }
    return state;
}

} // namespace tunnel
