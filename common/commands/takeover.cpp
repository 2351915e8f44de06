#include "common/commands/takeover.hpp"

#include <utility>

#include <unistd.h>

namespace tunnel {

std::optional<Predecessor> find_predecessor(const std::string& program,
                                            const CommonOptions& options,
                                            const std::optional<User>& user, GivenSockets& given)
{
    if (!options.command.takes_over())
        return std::nullopt;
    takeover::Hello hello;
    hello.program = program;
    hello.program_version = TUNNEL_VERSION;
    std::optional<Predecessor> found;
    found.emplace(options.takeover_socket, hello, user ? user->user : ::geteuid());
    given = found->take_sockets();
    return found;
}

Handover::Hooks with_service(Handover::Hooks hooks, const ServiceManager& manager,
                             std::function<void()> leave_too)
{
    hooks.let_go = [let_go = std::move(hooks.let_go), &manager]() -> awaitable<std::string> {
        const std::string state = co_await let_go();
        co_return manager.with_watchdog(state);
    };
    hooks.leave = [leave = std::move(hooks.leave), leave_too = std::move(leave_too)] {
        leave();
        leave_too();
    };
    return hooks;
}

} // namespace tunnel
