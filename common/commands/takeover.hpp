// What both programs do for the command takeover, on either side of it.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "common/options/options.hpp"
#include "common/sandbox/user.hpp"
#include "common/service_manager/service_manager.hpp"
#include "common/takeover/handover.hpp"
#include "common/takeover/predecessor.hpp"
#include "common/transport/given_sockets.hpp"

namespace tunnel {

// The one that runs, if this process is to take over from it, with all that it listens at; nullopt:
// it starts by itself. Throws as Predecessor does.
std::optional<Predecessor> find_predecessor(const std::string& program,
                                            const CommonOptions& options,
                                            const std::optional<User>& user, GivenSockets& given);

// The service is then another process: it is told of the watchdog, and this one leaves. `manager`
// must outlive the hooks.
Handover::Hooks with_service(Handover::Hooks hooks, const ServiceManager& manager,
                             std::function<void()> leave_too);

} // namespace tunnel
