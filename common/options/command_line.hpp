// The options of one program, out of its command line, the environment and its configuration file.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/options/command.hpp"
#include "common/options/document.hpp"
#include "common/options/help.hpp"
#include "common/options/option.hpp"
#include "common/options/options.hpp"
#include "common/options/trust_options.hpp"
#include "common/options/usage.hpp"

namespace CLI {
class App;
} // namespace CLI

namespace tunnel {

class TableReader;

// Tables [NAME.X] of the configuration file.
struct OptionTable {
    using Read = std::function<void(const Setting& table, Problems& problems)>;

    std::string name;
    OptionList keys; // of each of the tables: for what they are, and not to be read with
    // Called after everything that is an option, if there is a table; takes it whole.
    Read read;
    // The option that says the same in other words; empty: none. On the command line or in the
    // environment it wins over the tables. A file with both is wrong, unless the one adds to the
    // other.
    std::string option{};
    bool adds_to_option = false;
};

// All that can be said of a program's command line and file: whatever reads or shows it begins
// here.
struct ProgramDescription {
    std::string name;
    std::string summary;
    std::vector<HelpEntry> examples;
    OptionList options{}; // in the order of --help-all and print-config
    std::vector<OptionTable> tables{};
    std::vector<CommandForm> commands{};
    std::string purpose{}; // on one line, for the head of the manual
};

// Each option may be a flag, a variable of the environment (PREFIX_ and its name in capitals), or a
// key in the file of --config. The command line wins over the environment, and both over the file.
class CommandLine {
public:
    // What it is bound to must live as long, and is filled by parse(). With a command, flags of the
    // program that have the names of the command's own are not heard, and nothing that the program
    // needs to start is required, but where the one that runs is asked.
    CommandLine(ProgramDescription program, CommonOptions& common, TrustOptions& trust);
    ~CommandLine();

    // What parse() asks after everything is read: what is wrong with it; empty: nothing.
    void check(std::function<std::string()> contradiction);

    // What parse() asks then: what is no error, and most likely a mistake. Both the start and
    // `PROGRAM check` warn of it.
    void doubt(std::function<std::vector<std::string>()> doubts);

    // What print-config adds as comments: what holds, and is not said by an option.
    void remark(std::function<std::vector<std::string>()> remarks);

    // For `PROGRAM check`: looks for what the start would refuse. Throws std::runtime_error.
    void on_check(std::function<void()> check_start);

    // nullopt: go on. Otherwise the program's exit code: 0 after --help, --version, gen-secret,
    // check and print-config, which are printed on stdout; 2 after a wrong command line or
    // configuration, with what is wrong on stderr, in the format that was asked for: JSON of
    // --json, or lines of a log in JSON.
    std::optional<int> parse(int argc, const char* const* argv);

    // The same arguments again, in a program that runs already. Throws std::runtime_error with
    // everything that is wrong, a line for each. The secret of the environment is gone by then:
    // whoever calls this keeps it.
    void parse_again(int argc, const char* const* argv);

    // What the text of a configuration file says, as if there were neither a command line nor an
    // environment nor another file. Answers what is wrong, a line for each.
    std::string parse_text(std::string_view toml, const std::string& path);

    // Whether an option, or tables of the file, were found at all; while one parses, and after it.
    bool has(std::string_view option_or_table) const;

private:
    struct Flag;
    struct Words;

    struct Table {
        const OptionTable& table;
        Setting found{}; // in the file, as far as it counts
        bool is_in_file = false;
    };

    void add(Option option);
    void read_secret();
    // Of a variable that must not count as missing when it is there and empty.
    void refuse_empty_variables() const;
    void expect(const CommandForm& form);

    // Command line, environment and file. Throws CLI::ParseError, or std::runtime_error.
    void read(const std::vector<std::string>& words);
    void collect_doubts();

    // default_file.cpp
    // The file of the default place, if nothing but how to log was said.
    void choose_file();
    bool says_what_to_do() const;
    // Of a mistake that such a file would not have; empty: there is none.
    std::string hint_at_default_file(const std::string& problem) const;
    std::string advice_on_default_file() const;

    // How what is wrong with the options is told: as text for people, as one object for the program
    // that asked with --json, or as lines of the log.
    enum class ErrorFormat : std::uint8_t { text, object, log_lines };

    // The answer to `PROGRAM check` and the like, once everything is read.
    int answer(const Words& words, ErrorFormat format);
    // What is printed without anything being read; nullopt: nothing.
    std::optional<int> answer_at_once(const Words& words) const;
    int complain(const std::string& what, bool try_help, ErrorFormat format) const;

    // printed_options.cpp
    std::string print() const;
    std::string print_as_json() const;
    std::vector<OptionValue> values() const;

    // words.cpp
    class WordReader;
    Words look_at(int argc, const char* const* argv) const;
    void check_switches() const; // of the environment
    // As far as it can be told of options of which some are wrong: by the flag; for a program that
    // is to start, else by the environment or the file.
    ErrorFormat error_format(int argc, const char* const* argv) const;
    const Flag* flag_called(std::string_view flag) const; // with its dashes; null: there is none

    // unknown_words.cpp
    std::vector<std::string> flag_names() const;
    std::vector<std::string> command_words() const;
    bool is_command(std::string_view word) const;
    const CommandForm* form_of(std::string_view word) const;
    std::string unknown_command(const std::string& word) const;
    std::string unknown_flag(const std::string& name) const;

    // usage.cpp
    Usage usage() const;

    // flag_help.cpp
    std::string help(bool all) const;
    std::string help_of(std::string_view command) const;

    // environment.cpp
    std::string variable_of(std::string_view option) const;
    // A warning for each variable that is meant for this program and is none of its own.
    std::vector<std::string> strange_variables() const;

    // configuration.cpp
    // Whether it is a file for this program at all; else that is the one problem.
    bool read_file(const Setting& settings, Problems& problems);
    void read_tables(const Setting& settings, TableReader& top, Problems& problems);
    bool has_table(std::string_view name) const;
    bool is_of_other_program(const Setting& settings, Problems& problems) const;
    // Whether the table counts: an option that says the same may win over it, or contradict it.
    bool holds(const OptionTable& table, const Setting& settings, Problems& problems) const;
    void look_for_contradictions(Problems& problems) const;
    std::string objection_to_asking() const;

    ProgramDescription program_; // its options are in the flags
    CommonOptions& common_;
    TrustOptions& trust_;
    std::string config_; // the file
    bool again_ = false; // after a start
    std::vector<std::unique_ptr<Flag>> flags_;
    std::vector<Table> tables_;
    std::vector<std::string> file_doubts_;
    std::function<std::string()> contradiction_;
    std::function<std::vector<std::string>()> doubts_;
    std::function<std::vector<std::string>()> remarks_;
    std::function<void()> check_start_;
    std::unique_ptr<CLI::App> app_;
};

} // namespace tunnel
