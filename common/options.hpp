// Command line and environment.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/log.hpp"
#include "common/net/address.hpp"
#include "common/units.hpp"

namespace CLI {
class App;
}

namespace tunnel {

// What both programs have.
struct CommonOptions {
    milliseconds heartbeat_interval = std::chrono::seconds(5);
    milliseconds heartbeat_timeout = std::chrono::seconds(15);
    milliseconds half_close_timeout = std::chrono::minutes(5); // 0: never
    milliseconds idle_timeout{0};                              // 0: never
    milliseconds grace_period = std::chrono::seconds(30);
    log::Level log_level = log::Level::info;
    log::Format log_format = log::Format::text;
};

// Flags of one program. Each may also come from the environment, as PREFIX_ and the flag's name in
// capitals; the command line wins.
class CommandLine {
public:
    enum class Need : std::uint8_t { required, optional };

    CommandLine(std::string program, const std::string& description);
    ~CommandLine();

    // The variables that are handed in are filled by parse() and must live until then; what they
    // hold before is the default.
    void add(const std::string& flag, Address& value, const std::string& help, Need need);
    void add(const std::string& flag, milliseconds& value, const std::string& help,
             milliseconds lowest = milliseconds(1));
    void add(const std::string& flag, std::uint32_t& value, const std::string& help,
             std::uint32_t lowest, std::uint32_t highest);
    void add(const std::string& flag, std::optional<std::uint32_t>& value, const std::string& help);
    void add(CommonOptions& options);

    // nullopt: go on. Otherwise the program's exit code: 0 after --help and --version, which are
    // printed on stdout; 2 after a wrong command line, with what is wrong on stderr.
    std::optional<int> parse(int argc, const char* const* argv);

private:
    // `read` answers false if the text is not what it expects.
    void add_text(const std::string& flag, const std::string& help, const std::string& type,
                  const std::string& shown_default, std::string expected, Need need,
                  std::function<bool(const std::string&)> read);

    std::string program_;
    std::string environment_prefix_;
    std::unique_ptr<CLI::App> app_;
};

} // namespace tunnel
