// What start-up would refuse.
#pragma once

#include <filesystem>
#include <vector>

#include "common/base/asio.hpp"
#include "remote-proxy/options/options.hpp"

namespace tunnel {

// No two addresses of the options exclude each other. Throws WrongConfiguration.
void must_not_collide(asio::io_context& io, const RemoteOptions& options);

// All files that a reload reads.
std::vector<std::filesystem::path> files_of(const RemoteOptions& options);

// In the log: whoever can connect to the control address may be the origin proxy.
void warn_that_anyone_may_log_in(const asio::ip::tcp::endpoint& control);

// For `remote-proxy check`: does all that the start does, but for what would disturb a program that
// runs. Afterwards this process may be another user, and in the sandbox. Throws WrongConfiguration
// with everything that is wrong.
void check_start(const RemoteOptions& options);

} // namespace tunnel
