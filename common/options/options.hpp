// What both programs can be told, beside whom they trust.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/base/log.hpp"
#include "common/base/units.hpp"
#include "common/options/command.hpp"
#include "common/options/configuration_files.hpp"
#include "common/options/management_options.hpp"
#include "common/options/option.hpp"
#include "common/options/option_values.hpp"
#include "common/relay/relay.hpp"
#include "common/sandbox/sandbox.hpp"
#include "common/sandbox/user.hpp"
#include "common/transport/congestion.hpp"

namespace tunnel {

// As many as there are cores, at most 8: a thread of the relay moves more than most networks do,
// and each needs some of the pipes that a user may have.
std::uint32_t default_relay_threads();

// What both programs have.
struct CommonOptions {
    milliseconds heartbeat_interval = std::chrono::seconds(5);
    milliseconds heartbeat_timeout = std::chrono::seconds(15);
    milliseconds half_close_timeout = std::chrono::minutes(5); // 0: never
    milliseconds idle_timeout{0};                              // 0: never
    milliseconds grace_period = std::chrono::seconds(30);
    std::uint32_t relay_threads = default_relay_threads();
    microseconds spin{50}; // 0: never
    Congestion congestion = Congestion::automatic();
    Sandbox sandbox = Sandbox::on;
    std::optional<UserName> user; // to become, once everything is opened; none: stay who it is
    log::Level log_level = log::Level::info;
    log::Format log_format = log::Format::text;
    std::string log_file{};               // empty: stderr
    bool watch = false;                   // reload when one of the files has changed
    std::string takeover_socket;          // a path; empty: nobody takes over
    std::filesystem::path default_file{}; // of the configuration, where none was named; empty: none
    ConfigurationFiles files;
    ManagementOptions management;
    Command command;                   // else the program starts
    std::vector<OptionValue> values{}; // all options as texts
    std::vector<std::string> doubts{}; // what is no error, and most likely a mistake
};

// The log as the options say it, with a warning for each of the doubts. Answers the status to exit
// with if its file cannot be had, which was logged.
std::optional<int> start_log(const CommonOptions& options);

// Throws WrongConfiguration if --congestion asks for what the sandbox leaves no right to.
void must_be_allowed(const CommonOptions& options);

// Bound to `options`, as all functions of this name are.
OptionList describe(CommonOptions& options);

// Every file that is read again at a reload, as far as it is there now.
std::vector<std::filesystem::path> files_to_read_again(const CommonOptions& options);

// What the relay is told of them. Its pipes are lent out of `descriptor_limit`, few where those are
// few.
RelayOptions relay_options(const CommonOptions& options, std::size_t descriptor_limit);

} // namespace tunnel
