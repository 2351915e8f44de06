// What the management interface has changed, to be kept beyond a restart.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "remote-proxy/origins/origin_name.hpp"
#include "remote-proxy/registry/tunnels.hpp"

namespace tunnel {

// Names in each of the lists of those that are drained.
inline constexpr std::size_t most_drained = 4096;

struct SavedState {
    std::vector<PublicTunnel> tunnels{};
    std::set<std::string> drained_services{}; // names
    std::set<std::string> drained_origins{};  // as well

    // Replaces the set of tunnels. What was said of one that goes does not hold for the next at its
    // address.
    void set_tunnels(std::vector<PublicTunnel> wanted);

    // One tunnel goes.
    void forget(const PublicTunnel& tunnel);

    // Both throw SteeringError 507 if there are too many already; nothing has changed then.
    void drain_service(const std::string& name);
    void drain_origin(const std::string& name);

    void resume_service(const std::string& name) { drained_services.erase(name); }

    // One that is gone, by its name, or by the last part of it if no other that is drained ends so.
    // False: there is none.
    bool resume_departed_service(const std::string& name, bool by_last_part);

    // `here` are those who go by this name now. What was said of some of those that go by the name
    // ends with it. Throws SteeringError 409 if it was said by a name that others go by too;
    // nothing has changed then.
    void resume_origin(const std::string& name, const std::vector<const OriginName*>& here);

    // It was said of it, of its machine or of its credential.
    bool is_drained(const OriginName& origin) const;

    friend bool operator==(const SavedState&, const SavedState&) = default;
};

// The text of a state file.
std::string to_text(const SavedState& state);

// What such a text says. Throws std::runtime_error that says what is wrong with it.
SavedState parse_saved_state(std::string_view text);

} // namespace tunnel
