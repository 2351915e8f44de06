#include "remote-proxy/kept.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>

#include <fmt/format.h>

namespace tunnel {

namespace {

constexpr int version = 1;
constexpr std::array<std::string_view, 4> keys{"version", "tunnels", "drained_services",
                                               "drained_origins"};

std::set<std::string> names(const Json& document, const char* key)
{
    std::set<std::string> all;
    const auto found = document.find(key);
    if (found == document.end())
        return all;
    if (!found->is_array() || found->size() > most_drained)
        throw std::runtime_error(fmt::format("{} is no list of names", key));
    for (const Json& each : *found) {
        if (!each.is_string())
            throw std::runtime_error(fmt::format("{} is no list of names", key));
        all.insert(each.get<std::string>());
    }
    return all;
}

} // namespace

std::string to_text(const Kept& kept)
{
    Json document;
    document["version"] = version;
    document["tunnels"] = to_json(kept.tunnels);
    document["drained_services"] = kept.drained_services;
    document["drained_origins"] = kept.drained_origins;
    return document.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

Kept parse_kept(std::string_view text)
{
    const Json document = parse_json(text);
    if (!document.is_object() || document.value("version", Json()) != version)
        throw std::runtime_error("it is no state file of this version of the program");
    for (const auto& item : document.items()) {
        if (std::ranges::find(keys, item.key()) == keys.end())
            throw std::runtime_error("it has a key that this version of the program does not know");
    }
    Kept kept;
    if (const auto tunnels = document.find("tunnels"); tunnels != document.end())
        kept.tunnels = parse_tunnels(*tunnels);
    kept.drained_services = names(document, "drained_services");
    kept.drained_origins = names(document, "drained_origins");
    return kept;
}

} // namespace tunnel
