#include "remote-proxy/preflight.hpp"

#include <vector>

#include <fmt/format.h>

#include "common/commands/preflight.hpp"
#include "remote-proxy/management/state_file.hpp"
#include "remote-proxy/options/configuration.hpp"
#include "remote-proxy/trust/trusted_origins.hpp"

namespace tunnel {

namespace {

std::vector<ListenAddress> addresses_of(const RemoteOptions& options)
{
    std::vector<ListenAddress> all;
    for (const Listening& each : program_addresses(options))
        all.push_back({each.name, each.addresses.first});
    const auto& management = options.common.management.address;
    if (management && management->path.empty())
        all.push_back({"management-addr", management->address});
    for (const RemoteService& each : options.services)
        all.push_back({fmt::format("service {}", each.name), each.outside_address});
    return all;
}

} // namespace

void must_not_collide(asio::io_context& io, const RemoteOptions& options)
{
    must_not_collide(io, addresses_of(options));
}

void check_start(const RemoteOptions& options)
{
    asio::io_context io(1);
    Preflight preflight(options.common);
    preflight.attempt([&] { const TrustedOrigins trusted(options.trust); });
    preflight.attempt([&] { must_not_collide(io, options); });
    preflight.attempt([&] { must_be_of_this_machine(io, options.control_address); });
    if (options.outside_address)
        preflight.attempt([&] { must_be_of_this_machine(io, *options.outside_address); });
    std::string latest_host = options.control_address.host;
    for (const RemoteService& each : options.services) {
        if (each.outside_address.host != latest_host) // else there may be a thousand
            preflight.attempt([&] { must_be_of_this_machine(io, each.outside_address); });
        latest_host = each.outside_address.host;
    }
    preflight.look_at_common_options(io);
    if (!options.state_file.empty())
        preflight.attempt([&] { StateFile(options.state_file).read(); });
    preflight.become_user(opens_low_ports(options));
    if (!options.state_file.empty())
        preflight.attempt([&] { StateFile(options.state_file).must_be_replaceable(); });
    preflight.enter_sandbox(
        {options.common.management.socket_file(), options.state_file, opens_low_ports(options)});
    preflight.finish();
}

} // namespace tunnel
