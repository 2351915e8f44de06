#include "origin-proxy/preflight.hpp"

#include "common/commands/preflight.hpp"
#include "origin-proxy/link/trusted_remote.hpp"

namespace tunnel {

void check_start(const OriginOptions& options)
{
    asio::io_context io(1);
    Preflight preflight(options.common);
    preflight.attempt([&options] { trusted_remotes(options); });
    preflight.attempt([read = options]() mutable { read_logins(read); });
    preflight.attempt([read = options]() mutable { read_proxy_passwords(read); });
    log_ways(options);
    preflight.look_at_common_options(io);
    preflight.become_user(false);
    preflight.enter_sandbox({.removed = options.common.management.socket_file(),
                             .system_authorities = options.trusts_system_authorities()});
    preflight.finish();
}

} // namespace tunnel
