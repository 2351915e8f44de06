// Command line and environment.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/log.hpp"
#include "common/net/address.hpp"
#include "common/net/cidr.hpp"
#include "common/net/congestion.hpp"
#include "common/relay/relay.hpp"
#include "common/sandbox.hpp"
#include "common/security/trust_options.hpp"
#include "common/units.hpp"

namespace CLI {
class App;
class Option;
} // namespace CLI

namespace tunnel {

// As many as there are cores, at most 4: a thread of the relay moves more than most networks do.
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
    log::Level log_level = log::Level::info;
    log::Format log_format = log::Format::text;
};

// What the relay is told of them. Its pipes are lent out of `descriptor_limit`, few where those are
// few.
RelayOptions relay_options(const CommonOptions& options, std::size_t descriptor_limit);

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
    void add(const std::string& flag, std::optional<Address>& value, const std::string& help);
    void add(const std::string& flag, milliseconds& value, const std::string& help,
             milliseconds lowest = milliseconds(1));
    void add(const std::string& flag, microseconds& value, const std::string& help);
    void add(const std::string& flag, std::uint32_t& value, const std::string& help,
             std::uint32_t lowest, std::uint32_t highest);
    void add(const std::string& flag, std::optional<std::uint32_t>& value, const std::string& help);
    void add(const std::string& flag, std::optional<std::uint32_t>& value, const std::string& help,
             std::uint32_t lowest, std::uint32_t highest);
    // May be given several times, and each time hold several networks with commas between them. All
    // are added to what `networks` holds before.
    void add(const std::string& flag, std::vector<Cidr>& networks, const std::string& help);
    // May be given several times, and each time hold several with commas between them; `read` gets
    // one after the other, and throws std::invalid_argument that says what is wrong with it.
    void add_each(const std::string& flag, const std::string& type, const std::string& help,
                  std::function<void(std::string_view)> read);
    // One of a few words: `read` answers false if the text is none of them, which are `expected`.
    void add_choice(const std::string& flag, const std::string& help,
                    const std::string& shown_default, const std::string& expected,
                    std::function<bool(const std::string&)> read);
    // "auto" is none.
    void add_number_or_auto(const std::string& flag, std::optional<std::uint32_t>& value,
                            const std::string& help, std::uint32_t highest);
    // Any text but an empty one.
    void add_file(const std::string& flag, std::string& value, const std::string& help);
    void add_switch(const std::string& flag, bool& value, const std::string& help);
    void add(CommonOptions& options);

    // What both have of it. The secret itself may stand in the environment alone, and is taken out
    // of there: others can read a command line.
    void add(TrustOptions& options);

    // What is wrong with the flags as a whole, asked when all have been read; empty: nothing.
    void check(std::function<std::string()> contradiction);

    // nullopt: go on. Otherwise the program's exit code: 0 after --help, --version and gen-secret,
    // which are printed on stdout; 2 after a wrong command line, with what is wrong on stderr.
    std::optional<int> parse(int argc, const char* const* argv);

private:
    // `read` answers false if the text is not what it expects, or throws std::invalid_argument that
    // says what is wrong with it.
    CLI::Option* add_text(const std::string& flag, const std::string& help, const std::string& type,
                          const std::string& shown_default, std::string expected, Need need,
                          std::function<bool(const std::string&)> read);

    void read_secret();

    std::string program_;
    std::string environment_prefix_;
    TrustOptions* trust_ = nullptr;
    std::function<std::string()> contradiction_;
    std::unique_ptr<CLI::App> app_;
};

} // namespace tunnel
