// Command line and environment.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/log.hpp"
#include "common/base/units.hpp"
#include "common/options/command.hpp"
#include "common/options/configuration_files.hpp"
#include "common/options/help.hpp"
#include "common/options/management_options.hpp"
#include "common/options/option_values.hpp"
#include "common/options/trust_options.hpp"
#include "common/relay/relay.hpp"
#include "common/sandbox/sandbox.hpp"
#include "common/sandbox/user.hpp"
#include "common/transport/address.hpp"
#include "common/transport/cidr.hpp"
#include "common/transport/congestion.hpp"
#include "common/transport/server_address.hpp"

namespace CLI {
class App;
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
    std::optional<UserName> user; // to become, once everything is opened; none: stay who it is
    log::Level log_level = log::Level::info;
    log::Format log_format = log::Format::text;
    bool watch = false; // reload when one of the files has changed
    ConfigurationFiles files;
    ManagementOptions management;
    Command command;                   // else the program starts
    std::vector<OptionValue> values{}; // all options as texts
    std::vector<std::string> doubts{}; // what is no error, and most likely a mistake
};

// The log as the options say it, with a warning for each of the doubts.
void start_log(const CommonOptions& options);

// Throws WrongConfiguration if --congestion asks for what the sandbox leaves no right to.
void must_be_allowed(const CommonOptions& options);

// Every file that is read again at a reload, as far as it is there now.
std::vector<std::filesystem::path> files_to_read_again(const CommonOptions& common,
                                                       const TrustOptions& trust);

// What the relay is told of them. Its pipes are lent out of `descriptor_limit`, few where those are
// few.
RelayOptions relay_options(const CommonOptions& options, std::size_t descriptor_limit);

// Flags of one program. Each may also come from the environment, as PREFIX_ and the flag's name in
// capitals, or from the file of --config, by its name without dashes. The command line wins over
// the environment, and both over the file.
class CommandLine {
public:
    enum class Need : std::uint8_t { required, optional };

    CommandLine(std::string program, const std::string& description);
    ~CommandLine();

    // What --help begins with, and the flags that it shows; --help-all shows all of them.
    void describe(std::vector<HelpEntry> examples, std::vector<std::string> common_flags);

    // The heading in --help-all of the flags that are added next.
    void group(const std::string& title) { group_ = title; }

    // These of the flags that were added take effect at a reload; all others need a restart.
    void applied_by_reload(std::initializer_list<std::string_view> flags);

    // The variables that are handed in are filled by parse() and must live until then; what they
    // hold before is the default.
    void add(const std::string& flag, Address& value, const std::string& help, Need need);
    void add(const std::string& flag, std::optional<Address>& value, const std::string& help);
    void add(const std::string& flag, ServerAddress& value, const std::string& help);
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
    // The same for anything: `read` gets each text that stands between commas, and throws
    // std::invalid_argument if it is not what it expects.
    void add_each(const std::string& flag, const std::string& type, const std::string& help,
                  std::function<void(std::string_view)> read);
    // Anything: `read` throws std::invalid_argument if the text is not what it expects.
    void add_text(const std::string& flag, const std::string& type,
                  const std::string& shown_default, const std::string& help,
                  std::function<void(const std::string&)> read);
    // One of a few words: `read` answers false if the text is none of them, which are `expected`.
    void add_choice(const std::string& flag, const std::string& help,
                    const std::string& shown_default, const std::string& expected,
                    std::function<bool(const std::string&)> read);
    // Bytes a second, none for "off".
    void add_rate(const std::string& flag, std::optional<std::uint64_t>& value,
                  const std::string& help);
    // "auto" is none.
    void add_number_or_auto(const std::string& flag, std::optional<std::uint32_t>& value,
                            const std::string& help, std::uint32_t highest);
    // Any text but an empty one.
    void add_name(const std::string& flag, std::string& value, const std::string& help);
    void add_file(const std::string& flag, std::string& value, const std::string& help);
    // A name as is_plain_name() has it.
    void add_plain_name(const std::string& flag, std::string& value, const std::string& help);
    void add_switch(const std::string& flag, bool& value, const std::string& help);
    void add(CommonOptions& options);
    void add(ManagementOptions& options); // management/options.cpp

    // What both have of it. The secret itself may stand in the environment alone, and is taken out
    // of there: others can read a command line.
    void add(TrustOptions& options);

    // Takes a table [NAME] of the configuration file, after everything that is a flag; it is not
    // called if there is none. `flag`, if there is one, says the same in other words: on the
    // command line or in the environment it wins over the whole table. A file with both is wrong,
    // unless the one adds to the other.
    enum class InFile : std::uint8_t { one_of_both, both };
    using ReadTable = std::function<void(const Setting& table, Problems& problems)>;
    void add_table(const std::string& name, ReadTable read, const std::string& flag = {},
                   InFile in_file = InFile::one_of_both);

    // A command, after add(CommonOptions). What it is given there is not heard of the program's own
    // flags of the same names; nothing that the program needs to start is required with it, but
    // where the one that runs is asked.
    void add_command(CommandForm form);

    // What parse() asks after everything is read: what is wrong with it; empty: nothing.
    void check(std::function<std::string()> contradiction);

    // What parse() asks then: what is no error, and most likely a mistake. Both the start and
    // `PROGRAM check` warn of it.
    void doubt(std::function<std::vector<std::string>()> doubts);

    // For `PROGRAM check`: looks for what the start would refuse. Throws std::runtime_error.
    void on_check(std::function<void()> read_files);

    // nullopt: go on. Otherwise the program's exit code: 0 after --help, --version, gen-secret,
    // check and print-config, which are printed on stdout; 2 after a wrong command line or
    // configuration, with what is wrong on stderr, in the format that was asked for: JSON of
    // --json, or lines of a log in JSON.
    std::optional<int> parse(int argc, const char* const* argv);

    // The same arguments again, in a program that runs already. Throws std::runtime_error with
    // everything that is wrong, a line for each. The secret of the environment is gone by then:
    // whoever calls this keeps it.
    void parse_again(int argc, const char* const* argv);

    // Whether a flag, or a table of the file, was found at all; while one parses, and after it.
    bool has(std::string_view flag_or_table) const;

    // What the text of a configuration file says, as if there were neither a command line nor an
    // environment nor another file. Answers what is wrong, a line for each.
    std::string parse_text(std::string_view toml, const std::string& path);

private:
    struct Flag;
    struct Words;

    struct Table {
        std::string name;
        ReadTable read;
        std::string flag; // that says the same; empty: none
        InFile in_file;
        bool found = false;
    };

    // `read` answers false if the text is not what it expects, or throws std::invalid_argument that
    // says what is wrong with it.
    Flag& add_text(const std::string& name, const std::string& help, const std::string& type,
                   const std::string& shown_default, std::string expected, Need need,
                   std::function<bool(const std::string&)> read);

    void read_secret();
    // Of a variable that must not count as missing when it is there and empty.
    void refuse_empty_variables() const;
    void expect(const CommandForm& form);

    // Command line, environment and file. Throws CLI::ParseError, or std::runtime_error.
    void read(const std::vector<std::string>& words);
    // How what is wrong with the options is told: as text for people, as one object for the program
    // that asked with --json, or as lines of the log.
    enum class ErrorFormat : std::uint8_t { text, object, log_lines };

    // The answer to `PROGRAM check` and the like, once everything is read.
    int answer(const Words& words, ErrorFormat format);
    std::string print() const;
    std::string print_as_json() const;
    std::vector<OptionValue> values() const;
    // What is printed without anything being read; nullopt: nothing.
    std::optional<int> answer_at_once(const Words& words) const;
    int complain(const std::string& what, bool try_help, ErrorFormat format) const;

    // options_words.cpp
    class WordReader;
    Words look_at(int argc, const char* const* argv) const;
    void check_switches() const; // of the environment
    // As far as it can be told of options of which some are wrong: by the flag; for a program that
    // is to start, else by the environment or the file.
    ErrorFormat error_format(int argc, const char* const* argv) const;
    std::vector<std::string> flag_names() const;
    std::vector<std::string> command_words() const;
    bool is_command(std::string_view word) const;
    const CommandForm* form_of(std::string_view word) const;
    std::string unknown_command(const std::string& word) const;
    std::string unknown_flag(const std::string& name) const;

    // options_help.cpp
    std::string help(bool all) const;
    std::string help_of(std::string_view command) const;

    // options_environment.cpp: a warning for each variable that is meant for this program and is
    // none of its own.
    std::vector<std::string> strange_variables() const;

    // options_file.cpp
    // Whether it is a file for this program at all; else that is the one problem.
    bool read_file(const Setting& settings, Problems& problems);
    bool is_of_other_program(const Setting& settings, Problems& problems) const;
    // Whether the table counts: a flag that says the same may win over it, or contradict it.
    bool holds(const Table& table, const Setting& settings, Problems& problems) const;
    void look_for_contradictions(Problems& problems) const;

    std::string program_;
    std::string environment_prefix_;
    TrustOptions* trust_ = nullptr;
    CommonOptions* common_ = nullptr;
    std::string config_; // the file
    std::vector<std::unique_ptr<Flag>> flags_;
    std::vector<Table> tables_;
    std::vector<CommandForm> commands_;
    std::vector<Setting> printed_tables_;   // those that hold
    std::vector<OptionValue> table_values_; // the same, one by one
    std::vector<std::string> file_doubts_;
    std::string description_;
    std::string group_;
    std::vector<HelpEntry> examples_;
    std::vector<std::string> common_flags_; // of --help
    std::function<std::string()> contradiction_;
    std::function<std::vector<std::string>()> doubts_;
    std::function<void()> read_files_;
    std::unique_ptr<CLI::App> app_;
};

} // namespace tunnel
