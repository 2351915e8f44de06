#include "common/options/options.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/base/json.hpp"
#include "common/options/error_line.hpp"
#include "common/options/flag.hpp"
#include "common/options/key_names.hpp"
#include "common/options/nearest_name.hpp"
#include "common/options/text_values.hpp"
#include "common/options/value_hints.hpp"

namespace tunnel {

namespace {

constexpr int usage_error = 2;

// "--control-addr" to "CONTROL_ADDR".
std::string in_capitals(std::string_view name)
{
    name.remove_prefix(std::min(name.find_first_not_of('-'), name.size()));
    std::string capitals(name);
    for (char& c : capitals)
        c = c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return capitals;
}

constexpr Choices<log::Level, 4> levels{{{"error", log::Level::error},
                                         {"warn", log::Level::warn},
                                         {"info", log::Level::info},
                                         {"debug", log::Level::debug}}};

constexpr Choices<Encryption, 3> encryptions{
    {{"auto", Encryption::automatic}, {"off", Encryption::off}, {"tls", Encryption::tls}}};

constexpr Choices<log::Format, 2> formats{
    {{"text", log::Format::text}, {"json", log::Format::json}}};

constexpr Choices<Sandbox, 3> sandboxes{
    {{"on", Sandbox::on}, {"off", Sandbox::off}, {"required", Sandbox::required}}};

// An empty variable counts as one that is not set, since a compose file makes one of ${NOT_SET}.
// But without these the program would trust others than it was meant to, or everybody.
constexpr std::array<std::string_view, 10> never_empty{"--secret-file",
                                                       "--secrets-file",
                                                       "--tls-cert",
                                                       "--tls-key",
                                                       "--tls-client-ca",
                                                       "--management-token-file",
                                                       "--management-read-token-file",
                                                       "--management-tls-cert",
                                                       "--management-tls-key",
                                                       "--management-tls-client-ca"};

int print_out(const std::string& text)
{
    return std::fputs(text.c_str(), stdout) < 0 || std::fflush(stdout) != 0 ? 1 : 0;
}

std::vector<std::filesystem::path> joined(std::vector<std::filesystem::path> one,
                                          const std::vector<std::filesystem::path>& other)
{
    one.insert(one.end(), other.begin(), other.end());
    return one;
}

} // namespace

std::uint32_t default_relay_threads()
{
    return std::clamp(std::thread::hardware_concurrency(), 1u, 4u);
}

std::vector<std::filesystem::path> files_to_read_again(const CommonOptions& common,
                                                       const TrustOptions& trust)
{
    return joined(joined(common.files.present(), trust.files()), common.management.files());
}

RelayOptions relay_options(const CommonOptions& options, std::size_t descriptor_limit)
{
    // An unprivileged user is granted 64 such pipes in all before the kernel makes them small
    // (fs.pipe-user-pages-soft), and two proxies may run on one machine.
    constexpr std::size_t most_pipes = 24;
    const std::size_t pipes = std::min(most_pipes, descriptor_limit / 64) / options.relay_threads;
    RelayOptions relay;
    relay.workers = options.relay_threads;
    relay.lent_thread = true;
    relay.half_close_timeout = options.half_close_timeout;
    relay.idle_timeout = options.idle_timeout;
    relay.spin = options.spin;
    relay.pipes = pipes;
    return relay;
}

void start_log(const CommonOptions& options)
{
    const bool answers = options.command.is_given(); // and writes no log of its own
    log::configure(options.log_level, !answers               ? options.log_format
                                      : options.command.json ? log::Format::json
                                                             : log::Format::text);
    for (const std::string& doubt : options.doubts)
        log::warn(doubt);
}

void must_be_allowed(const CommonOptions& options)
{
    read_configured(options.values, [&options] { options.congestion.must_be_allowed(); });
}

CommandLine::CommandLine(std::string program, const std::string& description)
    : program_(std::move(program)),
      environment_prefix_(in_capitals(program_) + "_"),
      description_(description),
      app_(std::make_unique<CLI::App>(description, program_))
{
    app_->set_help_flag(); // look_at() knows it
}

CommandLine::~CommandLine() = default;

void CommandLine::describe(std::vector<HelpEntry> examples, std::vector<std::string> common_flags)
{
    examples_ = std::move(examples);
    common_flags_ = std::move(common_flags);
}

void CommandLine::applied_by_reload(std::initializer_list<std::string_view> flags)
{
    for (const auto& flag : flags_) {
        if (std::ranges::find(flags, flag->name) != flags.end())
            flag->reloads = true;
    }
}

CommandLine::Flag& CommandLine::add_text(const std::string& name, const std::string& help,
                                         const std::string& type, const std::string& shown_default,
                                         std::string expected, Need need,
                                         std::function<bool(const std::string&)> read)
{
    flags_.push_back(
        std::make_unique<Flag>(Flag{name, environment_prefix_ + in_capitals(name), shown_default}));
    Flag& flag = *flags_.back();
    flag.required = need == Need::required;
    flag.type = type;
    flag.help = help;
    flag.group = group_;
    flag.read = [&flag, expected = std::move(expected),
                 read = std::move(read)](const std::string& text) {
        if (!read(text))
            refuse_text(text, expected);
        flag.texts.push_back(text);
    };
    const auto read_or_complain = [&flag](const std::string& text) {
        try {
            flag.read(text);
        } catch (const std::invalid_argument& error) {
            throw CLI::ValidationError(
                fmt::format("{} (or {}): {}", flag.name, flag.variable, error.what()));
        }
    };
    flag.option = app_->add_option_function<std::string>(name, read_or_complain, help);
    flag.option->envname(flag.variable);
    flag.option->take_last(); // look_at() refuses a second one
    return flag;
}

void CommandLine::add(const std::string& flag, Address& value, const std::string& help, Need need)
{
    add_text(flag, help, "HOST:PORT", "", "", need, [&value](const std::string& text) {
        value = read_address(text);
        return true;
    });
}

void CommandLine::add(const std::string& flag, std::optional<Address>& value,
                      const std::string& help)
{
    add_text(flag, help, "HOST:PORT", "", "", Need::optional, [&value](const std::string& text) {
        value = read_address(text);
        return true;
    });
}

void CommandLine::add(const std::string& flag, ServerAddress& value, const std::string& help)
{
    add_text(flag, help, "HOST:PORT|unix:PATH", "", "", Need::optional,
             [&value](const std::string& text) {
                 value = read_server_address(text);
                 return true;
             });
}

void CommandLine::add(const std::string& flag, milliseconds& value, const std::string& help,
                      milliseconds lowest)
{
    add_text(flag, help, "DURATION", to_string(value), "", Need::optional,
             [&value, lowest](const std::string& text) {
                 value = read_duration(text, lowest);
                 return true;
             });
}

void CommandLine::add(const std::string& flag, microseconds& value, const std::string& help)
{
    add_text(flag, help, "DURATION", to_string(value), "", Need::optional,
             [&value](const std::string& text) {
                 const auto parsed = parse_duration(text);
                 if (!parsed)
                     refuse_text(text, "a duration such as 50us or 1ms, or 0",
                                 hint_for_duration(text, microseconds(1), microseconds(0)));
                 value = *parsed;
                 return true;
             });
}

void CommandLine::add(const std::string& flag, std::uint32_t& value, const std::string& help,
                      std::uint32_t lowest, std::uint32_t highest)
{
    add_text(flag, help, "N", std::to_string(value),
             fmt::format("a number from {} to {}", lowest, highest), Need::optional,
             [&value, lowest, highest](const std::string& text) {
                 const auto parsed = parse_number(text);
                 value = parsed.value_or(0);
                 return parsed && *parsed >= lowest && *parsed <= highest;
             });
}

void CommandLine::add(const std::string& flag, std::optional<std::uint32_t>& value,
                      const std::string& help)
{
    add_text(flag, help, "N", "no limit", "a whole number", Need::optional,
             [&value](const std::string& text) {
                 value = parse_number(text);
                 return value.has_value();
             });
}

void CommandLine::add(const std::string& flag, std::optional<std::uint32_t>& value,
                      const std::string& help, std::uint32_t lowest, std::uint32_t highest)
{
    add_text(flag, help, "N", "no limit", fmt::format("a number from {} to {}", lowest, highest),
             Need::optional, [&value, lowest, highest](const std::string& text) {
                 value = parse_number(text);
                 return value && *value >= lowest && *value <= highest;
             });
}

void CommandLine::add(const std::string& flag, std::vector<Cidr>& networks, const std::string& help)
{
    add_each(flag, "CIDR[,CIDR...]", help,
             [&networks](std::string_view text) { networks.push_back(read_network(text)); });
}

void CommandLine::add_each(const std::string& flag, const std::string& type,
                           const std::string& help, std::function<void(std::string_view)> read)
{
    const auto read_all = [read = std::move(read)](const std::string& text) {
        std::string_view rest = text;
        for (;;) {
            const std::size_t end = rest.find_first_of(",\n");
            read(rest.substr(0, end));
            if (end == std::string_view::npos)
                return true;
            rest.remove_prefix(end + 1);
        }
    };
    Flag& added = add_text(flag, help, type, "", "", Need::optional, read_all);
    added.several = true;
    added.option->join(); // each time it is given, one line
}

void CommandLine::add_text(const std::string& flag, const std::string& type,
                           const std::string& shown_default, const std::string& help,
                           std::function<void(const std::string&)> read)
{
    add_text(flag, help, type, shown_default, "", Need::optional,
             [read = std::move(read)](const std::string& text) {
                 read(text);
                 return true;
             });
}

void CommandLine::add_choice(const std::string& flag, const std::string& help,
                             const std::string& shown_default, const std::string& expected,
                             std::function<bool(const std::string&)> read)
{
    add_text(flag, help, "MODE", shown_default, expected, Need::optional, std::move(read));
}

void CommandLine::add_rate(const std::string& flag, std::optional<std::uint64_t>& value,
                           const std::string& help)
{
    add_text(flag, help, "RATE", "off", "", Need::optional, [&value](const std::string& text) {
        value = read_rate(text);
        return true;
    });
}

void CommandLine::add_number_or_auto(const std::string& flag, std::optional<std::uint32_t>& value,
                                     const std::string& help, std::uint32_t highest)
{
    add_text(flag, help, "N", "auto", fmt::format("auto or a whole number up to {}", highest),
             Need::optional, [&value, highest](const std::string& text) {
                 value = parse_number(text);
                 return text == "auto" || (value && *value <= highest);
             });
}

void CommandLine::add_name(const std::string& flag, std::string& value, const std::string& help)
{
    add_text(flag, help, "NAME", "", "a name", Need::optional, [&value](const std::string& text) {
        value = text;
        return !text.empty();
    });
}

void CommandLine::add_plain_name(const std::string& flag, std::string& value,
                                 const std::string& help)
{
    add_text(flag, help, "NAME", value,
             "a name of 1 to 64 letters, digits, dots, dashes and underscores", Need::optional,
             [&value](const std::string& text) {
                 value = text;
                 return is_plain_name(text);
             });
}

void CommandLine::add_file(const std::string& flag, std::string& value, const std::string& help)
{
    add_text(flag, help, "FILE", "", "the name of a file", Need::optional,
             [&value](const std::string& text) {
                 value = text;
                 return !text.empty();
             })
        .is_file = true;
}

void CommandLine::add_switch(const std::string& flag, bool& value, const std::string& help)
{
    flags_.push_back(
        std::make_unique<Flag>(Flag{flag, environment_prefix_ + in_capitals(flag), ""}));
    Flag& added = *flags_.back();
    added.is_on = &value;
    added.help = help;
    added.group = group_;
    added.option = app_->add_flag(flag, value, help)->envname(added.variable);
}

void CommandLine::add(TrustOptions& options)
{
    trust_ = &options;
    group("Trust between the two programs");
    add_file("--secret-file", options.secret_file,
             "File with the secret that both proxies know; what passes between them is then "
             "encrypted. Or the secret itself in " +
                 environment_prefix_ + "SECRET");
    add_text("--encryption",
             "auto: with a secret or certificates; off: not, although there is a secret; tls: also "
             "without either",
             "MODE", "auto", "", Need::optional, [&options](const std::string& text) {
                 options.encryption = read_choice(encryptions, text, "auto, off or tls");
                 return true;
             });
    add_file("--tls-cert", options.own.certificate,
             "This proxy's certificate, PEM, with its chain; instead of a secret");
    add_file("--tls-key", options.own.key, "The key of --tls-cert, PEM");
    applied_by_reload({"--secret-file", "--encryption", "--tls-cert", "--tls-key"});
}

// Out of the memory that /proc/PID/environ shows, too.
void CommandLine::read_secret()
{
    const std::string variable = environment_prefix_ + "SECRET";
    char* const text = std::getenv(variable.c_str());
    if (text == nullptr || trust_ == nullptr)
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
    trust_->secret = parse_secret(text, variable);
}

void CommandLine::add(CommonOptions& options)
{
    common_ = &options;
    group("Connections");
    add("--heartbeat-interval", options.heartbeat_interval,
        "How often to tell the other proxy that this one is alive");
    add("--heartbeat-timeout", options.heartbeat_timeout,
        "Give the control connection up after hearing nothing for this long",
        milliseconds(300)); // the other proxy sends ten heartbeats a second at most
    add("--half-close-timeout", options.half_close_timeout,
        "Close a visitor of whom one side has finished when no byte moved for this long; 0: never",
        milliseconds(0));
    add("--idle-timeout", options.idle_timeout,
        "Close a visitor when no byte moved for this long and no side has finished; 0: never",
        milliseconds(0));
    add("--grace-period", options.grace_period,
        "How long visitors may go on after SIGTERM or SIGINT", milliseconds(0));
    group("Performance");
    add("--relay-threads", options.relay_threads, "How many threads move the visitors' bytes", 1,
        64);
    add("--spin", options.spin,
        "How long such a thread looks for the next bytes before it sleeps; 0: it sleeps at once");
    add_text(
        "--congestion",
        "TCP congestion control: auto (without pacing on this machine, bbr between the proxies "
        "where it can be had), off (the system's choice), or a name",
        "NAME", "auto", "", Need::optional, [&options](const std::string& text) {
            const auto parsed = Congestion::parse(text);
            if (!parsed)
                refuse_text(text,
                            "auto, off or an algorithm of this system that this user may choose, "
                            "see sysctl net.ipv4.tcp_allowed_congestion_control",
                            did_you_mean(text, {"auto", "off", "bbr", "cubic", "reno"}));
            options.congestion = *parsed;
            return true;
        });
    group("Process and log");
    add_text("--sandbox",
             "Whether to give up privileges, files and system calls that are no longer needed once "
             "the program is set up: on, as far as this system can; required: all of it, or do not "
             "start; off",
             "MODE", "on", "", Need::optional, [&options](const std::string& text) {
                 options.sandbox = read_choice(sandboxes, text, "on, off or required");
                 return true;
             });
    add_text("--user",
             "Started as root: the user to go on as, once ports are bound and files are read",
             "USER[:GROUP]", "", std::string(user_syntax), Need::optional,
             [&options](const std::string& text) {
                 options.user = parse_user_name(text);
                 return options.user.has_value();
             });
    add_text("--log-level", "What to log: error, warn, info or debug", "LEVEL", "info", "",
             Need::optional, [&options](const std::string& text) {
                 options.log_level = read_choice(levels, text, "error, warn, info or debug");
                 return true;
             });
    add_text("--log-format", "How to log: text or json", "FORMAT", "text", "", Need::optional,
             [&options](const std::string& text) {
                 options.log_format = read_choice(formats, text, "text or json");
                 return true;
             });
    add_switch("--watch", options.watch,
               "Reload, as on SIGHUP, when a file that a reload reads has changed");
    applied_by_reload({"--grace-period", "--log-level"});
    add(options.management);
    const auto read_name = [this](const std::string& name) {
        if (name.empty())
            throw CLI::ValidationError("--config: \"\" is not the name of a file");
        config_ = name;
    };
    app_->add_option_function<std::string>("--config", read_name)
        ->envname(environment_prefix_ + "CONFIG");
}

void CommandLine::add_table(const std::string& name, ReadTable read, const std::string& flag,
                            InFile in_file)
{
    tables_.push_back({name, std::move(read), flag, in_file});
}

void CommandLine::add_command(CommandForm form)
{
    commands_.push_back(std::move(form));
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
    common_->command.word = form.word;
}

void CommandLine::check(std::function<std::string()> contradiction)
{
    contradiction_ = std::move(contradiction);
}

void CommandLine::doubt(std::function<std::vector<std::string>()> doubts)
{
    doubts_ = std::move(doubts);
}

void CommandLine::on_check(std::function<void()> read_files)
{
    read_files_ = std::move(read_files);
}

bool CommandLine::has(std::string_view flag_or_table) const
{
    return std::ranges::any_of(
               flags_,
               [=](const auto& flag) { return flag->name == flag_or_table && flag->is_given(); }) ||
           std::ranges::any_of(tables_, [=](const Table& table) {
               return table.name == flag_or_table && table.found;
           });
}

void CommandLine::refuse_empty_variables() const
{
    for (const auto& flag : flags_) {
        const char* const text = std::getenv(flag->variable.c_str());
        if (text != nullptr && *text == '\0' && flag->option->count() == 0 &&
            std::ranges::find(never_empty, flag->name) != never_empty.end())
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
    Problems problems;
    bool is_ours = true;
    if (!config_.empty()) {
        Configuration configuration = read_configuration(config_, problems);
        if (common_ != nullptr)
            common_->files = configuration.files;
        file_doubts_ = std::move(configuration.doubts);
        const bool whole = problems.empty();
        is_ours = read_file(configuration.settings, problems);
        if (whole && is_ours) // else what is missing may be where nobody could read
            look_for_contradictions(problems);
        if (!problems.empty())
            throw WrongConfiguration(problems.text());
    }
    look_for_contradictions(problems);
    if (!problems.empty())
        throw CLI::ValidationError(problems.first());
    if (common_ == nullptr)
        return;
    common_->values = values();
    common_->doubts = strange_variables();
    common_->doubts.insert(common_->doubts.end(), file_doubts_.begin(), file_doubts_.end());
    if (doubts_ && !common_->command.is_given()) {
        const auto more = doubts_();
        common_->doubts.insert(common_->doubts.end(), more.begin(), more.end());
    }
}

std::vector<OptionValue> CommandLine::values() const
{
    std::vector<OptionValue> all;
    for (const auto& flag : flags_) {
        OptionValue& value = all.emplace_back(OptionValue{flag->key()});
        value.reloads = flag->reloads;
        if (flag->is_on != nullptr)
            value.text = *flag->is_on ? "true" : "false";
        else if (flag->several)
            value.text = fmt::format("{}", fmt::join(flag->texts, ","));
        else
            value.text = flag->texts.empty() ? flag->if_absent : flag->texts.back();
        if (flag->is_file && !value.text.empty())
            value.files.push_back(value.text);
    }
    all.insert(all.end(), table_values_.begin(), table_values_.end());
    return all;
}

int CommandLine::answer(const Words& words, ErrorFormat format)
{
    const bool checks = words.command == "check";
    if (common_ != nullptr) {
        common_->log_format = format == ErrorFormat::text ? log::Format::text : log::Format::json;
        start_log(*common_);
    }
    if (checks && read_files_)
        read_files_();
    if (checks)
        return print_out(words.json ? to_line({{"ok", true}}) + '\n' : "ok\n");
    return print_out(words.json ? print_as_json() : print());
}

std::optional<int> CommandLine::answer_at_once(const Words& words) const
{
    if (words.version && words.json)
        return print_out(to_line({{"program", program_}, {"version", TUNNEL_VERSION}}) + '\n');
    if (words.version)
        return print_out(fmt::format("{} {}\n", program_, TUNNEL_VERSION));
    if (words.help_all)
        return print_out(help(true));
    if (words.help) {
        const bool of_command = !words.command.empty() && words.command != "help";
        return print_out(of_command ? help_of(words.command) : help(false));
    }
    if (words.command != "gen-secret")
        return std::nullopt;
    if (words.rest.size() > 1)
        throw CLI::ValidationError("gen-secret takes no flags but --json");
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
        text = fmt::format("{}: {}\nTry: {} --help\n", program_, what, program_);
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
        return complain(fmt::format("{}: {}", program_, error.what()), false,
                        error_format(argc, argv));
    }
}

void CommandLine::parse_again(int argc, const char* const* argv)
{
    try {
        read(look_at(argc, argv).rest);
    } catch (const CLI::ParseError& error) {
        throw std::runtime_error(error.what());
    }
}

} // namespace tunnel
