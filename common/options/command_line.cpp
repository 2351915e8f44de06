#include "common/options/command_line.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <sstream>
#include <stdexcept>
#include <utility>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <fmt/format.h>

#include "common/base/json.hpp"
#include "common/options/completion.hpp"
#include "common/options/error_line.hpp"
#include "common/options/flag.hpp"
#include "common/options/manual.hpp"
#include "common/options/own_commands.hpp"

namespace tunnel {

namespace {

constexpr int usage_error = 2;

int print_out(const std::string& text)
{
    return std::fputs(text.c_str(), stdout) < 0 || std::fflush(stdout) != 0 ? 1 : 0;
}

} // namespace

CommandLine::CommandLine(ProgramDescription program, CommonOptions& common, TrustOptions& trust)
    : program_(std::move(program)),
      common_(common),
      trust_(trust),
      app_(std::make_unique<CLI::App>(program_.summary, program_.name))
{
    app_->set_help_flag(); // look_at() knows it
    const auto read_name = [this](const std::string& name) {
        if (name.empty())
            throw CLI::ValidationError("--config: \"\" is not the name of a file");
        config_ = name;
    };
    app_->add_option_function<std::string>("--config", read_name)->envname(variable_of("config"));
    for (Option& each : program_.options) {
        if (!each.is(Trait::key_only))
            add(std::move(each));
    }
    for (const OptionTable& each : program_.tables)
        tables_.push_back({each});
}

CommandLine::~CommandLine() = default;

void CommandLine::add(Option option)
{
    flags_.push_back(std::make_unique<Flag>(Flag{std::move(option), {}, {}}));
    Flag& flag = *flags_.back();
    ValueReader& value = flag.option.value;
    flag.name = flag.option.flag();
    flag.variable = variable_of(flag.option.name);
    if (flag.option.is_switch()) {
        flag.given = app_->add_flag(flag.name, *value.is_on)->envname(flag.variable);
        return;
    }
    value.read = [&flag, read = value.read](const std::string& text) {
        read(text);
        const auto& shown = flag.option.value.shown;
        flag.texts.push_back(shown ? shown(text) : text);
    };
    const auto read_or_complain = [&flag](const std::string& text) {
        try {
            flag.option.value.read(text);
        } catch (const std::invalid_argument& error) {
            throw CLI::ValidationError(
                fmt::format("{} (or {}): {}", flag.name, flag.variable, error.what()));
        }
    };
    flag.given = app_->add_option_function<std::string>(flag.name, read_or_complain);
    flag.given->envname(flag.variable);
    if (value.is_list)
        flag.given->join(); // each time it is given, one line
    else
        flag.given->take_last(); // look_at() refuses a second one
}

// Out of the memory that /proc/PID/environ shows, too.
void CommandLine::read_secret()
{
    const std::string variable = variable_of("secret");
    char* const text = std::getenv(variable.c_str());
    if (text == nullptr)
        return;
    const std::span bytes(reinterpret_cast<std::uint8_t*>(text), std::strlen(text));

    struct Wiped {
        std::span<std::uint8_t> bytes;
        const std::string& variable;

        ~Wiped()
        {
            wipe(bytes);
            ::unsetenv(variable.c_str());
        }
    };

    const Wiped wiped{bytes, variable};
    if (bytes.empty())
        throw std::runtime_error(fmt::format(
            "{}: there is no secret in it; unset it to do without, or make one with: remote-proxy "
            "gen-secret",
            variable));
    trust_.secret = parse_secret(text, variable);
}

// Its own flags come before those of the program that have the same names.
void CommandLine::expect(const CommandForm& form)
{
    CLI::App& command = *app_->add_subcommand(form.word, form.help);
    command.set_help_flag();
    command.fallthrough();
    for (const CommandForm::Part& part : form.parts) {
        if (bool* const* const is_on = std::get_if<bool*>(&part.value)) {
            command.add_flag(part.name, **is_on, part.help);
            continue;
        }
        std::string& text = *std::get<std::string*>(part.value);
        const auto read = [&text, name = part.name](const std::string& given) {
            if (given.empty())
                throw CLI::ValidationError(fmt::format("{}: \"\" is no name", name));
            text = given;
        };
        command.add_option_function<std::string>(part.name, read, part.help);
    }
    common_.command.word = form.word;
}

void CommandLine::check(std::function<std::string()> contradiction)
{
    contradiction_ = std::move(contradiction);
}

void CommandLine::doubt(std::function<std::vector<std::string>()> doubts)
{
    doubts_ = std::move(doubts);
}

void CommandLine::remark(std::function<std::vector<std::string>()> remarks)
{
    remarks_ = std::move(remarks);
}

void CommandLine::on_check(std::function<void()> check_start)
{
    check_start_ = std::move(check_start);
}

bool CommandLine::has(std::string_view option_or_table) const
{
    const auto is_flag = [=](const auto& flag) {
        return flag->option.name == option_or_table && flag->is_given();
    };
    const auto is_table = [=](const Table& each) {
        return each.table.name == option_or_table && each.is_in_file;
    };
    return std::ranges::any_of(flags_, is_flag) || std::ranges::any_of(tables_, is_table);
}

void CommandLine::refuse_empty_variables() const
{
    for (const auto& flag : flags_) {
        const char* const text = std::getenv(flag->variable.c_str());
        if (flag->option.is(Trait::never_empty) && text != nullptr && *text == '\0' &&
            !flag->on_command_line())
            throw CLI::ValidationError(fmt::format(
                "{}: it is set and empty, expected the name of a file; unset it to do without {}",
                flag->variable, flag->name));
    }
}

void CommandLine::read(const std::vector<std::string>& words)
{
    check_switches();
    std::vector<const char*> pointers;
    for (const std::string& word : words)
        pointers.push_back(word.c_str());
    app_->parse(static_cast<int>(pointers.size()), pointers.data());
    refuse_empty_variables();
    read_secret();
    choose_file();
    Problems problems;
    if (!config_.empty()) {
        Configuration configuration = read_configuration(config_, problems);
        common_.files = configuration.files;
        file_doubts_ = std::move(configuration.doubts);
        const bool whole = problems.empty();
        const bool is_ours = read_file(configuration.settings, problems);
        if (whole && is_ours) // else what is missing may be where nobody could read
            look_for_contradictions(problems);
        if (!problems.empty())
            throw WrongConfiguration(problems.text() + advice_on_default_file());
    }
    look_for_contradictions(problems);
    if (!problems.empty())
        throw CLI::ValidationError(problems.first() + hint_at_default_file(problems.first()));
    trust_.take_credential();
    common_.values = values();
    collect_doubts();
}

void CommandLine::collect_doubts()
{
    std::vector<std::string>& all = common_.doubts;
    all = strange_variables();
    all.insert(all.end(), file_doubts_.begin(), file_doubts_.end());
    if (doubts_ && !common_.command.asks()) {
        const auto more = doubts_();
        all.insert(all.end(), more.begin(), more.end());
    }
}

int CommandLine::answer(const Words& words, ErrorFormat format)
{
    const bool checks = words.command == "check";
    common_.log_format = format == ErrorFormat::text ? log::Format::text : log::Format::json;
    CommonOptions shown = common_;
    shown.log_file.clear(); // what is found is for whoever asks
    start_log(shown);
    if (checks && check_start_)
        check_start_();
    if (checks)
        return print_out(words.json ? to_line({{"ok", true}}) + '\n' : "ok\n");
    return print_out(words.json ? print_as_json() : print());
}

std::optional<int> CommandLine::answer_at_once(const Words& words) const
{
    if (words.version && words.json)
        return print_out(to_line({{"program", program_.name}, {"version", TUNNEL_VERSION}}) + '\n');
    if (words.version)
        return print_out(fmt::format("{} {}\n", program_.name, TUNNEL_VERSION));
    if (words.help_all)
        return print_out(help(true));
    if (words.help) {
        const bool of_command = !words.command.empty() && words.command != "help";
        return print_out(of_command ? help_of(words.command) : help(false));
    }
    const OwnCommand* const own = own_command(words.command);
    if (own == nullptr || own->takes_options)
        return std::nullopt;
    if (words.rest.size() > 1)
        throw CLI::ValidationError(
            fmt::format("{} takes no flags{}", own->word, own->prints_json ? " but --json" : ""));
    if (words.command == "completion")
        return print_out(completion(words.argument, usage()));
    if (words.command == "man")
        return print_out(words.argument == "config" ? manual_of_file(usage()) : manual(usage()));
    return print_secret(words.json);
}

// fmt::print would throw where stderr is closed or full.
int CommandLine::complain(const std::string& what, bool try_help, ErrorFormat format) const
{
    if (format == ErrorFormat::log_lines) { // whoever reads the log reads all of stderr
        log::configure(log::Level::info, log::Format::json);
        std::istringstream lines(what);
        for (std::string line; std::getline(lines, line);)
            log::error(line);
        return usage_error;
    }
    std::string text;
    if (format == ErrorFormat::object)
        text = error_line(what) + '\n';
    else if (try_help)
        text = fmt::format("{}: {}\nTry: {} --help\n", program_.name, what, program_.name);
    else
        text = what + '\n';
    std::fputs(text.c_str(), stderr);
    return usage_error;
}

std::optional<int> CommandLine::parse(int argc, const char* const* argv)
{
    const CommandForm* const form = argc > 1 ? form_of(argv[1]) : nullptr;
    try {
        const Words words = look_at(argc, argv);
        if (const auto code = answer_at_once(words))
            return code;
        if (form != nullptr)
            expect(*form);
        read(words.rest);
        const bool starts = words.command.empty() || form != nullptr;
        return starts ? std::nullopt : std::optional(answer(words, error_format(argc, argv)));
    } catch (const CLI::ParseError& error) {
        return complain(error.what(), true, error_format(argc, argv));
    } catch (const WrongConfiguration& wrong) {
        return complain(wrong.what(), false, error_format(argc, argv));
    } catch (const std::runtime_error& error) {
        return complain(fmt::format("{}: {}", program_.name, error.what()), false,
                        error_format(argc, argv));
    }
}

void CommandLine::parse_again(int argc, const char* const* argv)
{
    again_ = true;
    try {
        const Words words = look_at(argc, argv);
        if (const CommandForm* const form = form_of(words.command))
            expect(*form);
        read(words.rest);
    } catch (const CLI::ParseError& error) {
        throw std::runtime_error(error.what());
    }
}

} // namespace tunnel
