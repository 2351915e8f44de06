#include "remote-proxy/registry/saved_state.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "common/base/log.hpp"
#include "remote-proxy/options/client_identifier.hpp"

namespace tunnel {

namespace {

constexpr int version = 1;
constexpr std::array<std::string_view, 4> state_keys{"version", "tunnels", "drained_services",
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

// A state file takes no more names of those that are drained.
void must_have_room(const std::set<std::string>& names)
{
    if (names.size() >= most_drained)
        throw SteeringError(507, fmt::format("{} are drained already, also some that are gone: "
                                             "resume those that are not wanted any more",
                                             names.size()));
}

} // namespace

void SavedState::set_tunnels(std::vector<PublicTunnel> wanted)
{
    std::set<std::string> names;
    for (const PublicTunnel& each : wanted)
        names.insert(each.key());
    for (const PublicTunnel& each : tunnels) {
        if (!names.contains(each.key()))
            drained_services.erase(each.key());
    }
    tunnels = std::move(wanted);
}

void SavedState::forget(const PublicTunnel& tunnel)
{
    drained_services.erase(tunnel.key());
    std::erase(tunnels, PublicTunnel(tunnel)); // it may be one of these
}

void SavedState::drain_service(const std::string& name)
{
    must_have_room(drained_services);
    drained_services.insert(name);
}

void SavedState::drain_origin(const std::string& name)
{
    if (drained_origins.contains(name))
        return;
    must_have_room(drained_origins);
    drained_origins.insert(name);
}

bool SavedState::resume_departed_service(const std::string& name, bool by_last_part)
{
    if (drained_services.erase(name) > 0)
        return true;
    const auto ends_so = [end = '/' + name](const std::string& each) {
        return each.ends_with(end);
    };
    if (!by_last_part || std::ranges::count_if(drained_services, ends_so) != 1)
        return false;
    std::erase_if(drained_services, ends_so);
    return true;
}

void SavedState::resume_origin(const std::string& name, const std::vector<const OriginName*>& here)
{
    for (const OriginName* const origin : here) {
        for (const std::string& wider : {origin->identity(), origin->credential()}) {
            const bool is_wider =
                wider != name && (name == origin->shown() ||
                                  (name == origin->identity() && wider == origin->credential()));
            if (is_wider && drained_origins.contains(wider))
                throw SteeringError(
                    409, fmt::format("all of \"{}\" are drained: resume that", log::escape(wider)));
        }
    }
    drained_origins.erase(name);
    std::erase_if(drained_origins, [prefix = name + '/'](const std::string& each) {
        return each.starts_with(prefix);
    });
    for (const OriginName* const origin : here) {
        drained_origins.erase(origin->shown());
        drained_origins.erase(origin->identity());
        // NAME and NAME@DOMAIN of a certificate mean the same.
        const std::string& credential = origin->credential();
        const std::string client(client_identifier(credential));
        if (name == credential || name == client) {
            drained_origins.erase(credential);
            drained_origins.erase(client);
        }
    }
}

bool SavedState::is_drained(const OriginName& origin) const
{
    return std::ranges::any_of(drained_origins,
                               [&](const auto& name) { return origin.answers_to(name); });
}

std::string to_text(const SavedState& state)
{
    Json document;
    document["version"] = version;
    document["tunnels"] = to_json(state.tunnels);
    document["drained_services"] = state.drained_services;
    document["drained_origins"] = state.drained_origins;
    return document.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

SavedState parse_saved_state(std::string_view text)
{
    const Json document = parse_json(text);
    if (!document.is_object() || document.value("version", Json()) != version)
        throw std::runtime_error("it is no state file of this version of the program");
    for (const auto& item : document.items()) {
        if (std::ranges::find(state_keys, item.key()) == state_keys.end())
            throw std::runtime_error("it has a key that this version of the program does not know");
    }
    SavedState state;
    if (const auto tunnels = document.find("tunnels"); tunnels != document.end())
        state.tunnels = parse_tunnels(*tunnels);
    state.drained_services = names(document, "drained_services");
    state.drained_origins = names(document, "drained_origins");
    return state;
}

} // namespace tunnel
