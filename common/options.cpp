#include "common/options.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <fmt/format.h>

#include "common/configuration/names.hpp"
#include "common/flag.hpp"
#include "common/text_values.hpp"

namespace tunnel {

namespace {

constexpr int usage_error = 2;

// Words that stand in the place of the first flag, and do not start the program; and gen-secret.
constexpr std::array<std::string_view, 2> commands{"check", "print-config"};

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

CommandLine::CommandLine(std::string program, const std::string& description)
    : program_(std::move(program)),
      environment_prefix_(in_capitals(program_) + "_"),
      app_(std::make_unique<CLI::App>(description, program_))
{
    app_->set_help_flag("-h,--help", "Print this text and exit");
    app_->set_version_flag("-V,--version", program_ + " " TUNNEL_VERSION,
                           "Print the version and exit");
    app_->get_formatter()->column_width(46);
    app_->footer([this] { return footer(); });
}

CommandLine::~CommandLine() = default;

std::string CommandLine::footer() const
{
    std::string asking;
    for (const CommandForm& form : commands_) {
        asking += fmt::format("{} {}", program_, form.word);
        for (const CommandForm::Part& part : form.parts)
            asking += part.name.starts_with('-') ? "" : " " + part.name;
        asking += fmt::format(" ... {}\n", form.help);
    }
    return program_ +
           " gen-secret > FILE makes a secret for --secret-file of both proxies.\n"
           "Every flag may also be set by the environment variable named beside it, or by its "
           "name without dashes in the file of --config; the command line wins over the "
           "environment, and that over the file.\n" +
           program_ + " check ... says \"ok\" or all that is wrong with flags and files, " +
           program_ + " print-config ... what holds, as such a file.\n" + asking +
           "Exit status: 0 after a clean stop, 1 after a failure, 2 after a wrong command line or "
           "configuration.";
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
    // It may be in the file, of which the library knows nothing: so only shown as required.
    flag.option->envname(flag.variable)
        ->type_name(flag.required ? type + " REQUIRED" : type)
        ->default_str(shown_default);
    // Without the last one winning, a wrapper script could not be overridden.
    flag.option->take_last();
    return flag;
}

void CommandLine::add(const std::string& flag, Address& value, const std::string& help, Need need)
{
    add_text(flag, help, "HOST:PORT", "", std::string(address_syntax), need,
             [&value](const std::string& text) {
                 const auto parsed = parse_address(text);
                 value = parsed.value_or(Address());
                 return parsed.has_value();
             });
}

void CommandLine::add(const std::string& flag, std::optional<Address>& value,
                      const std::string& help)
{
    add_text(flag, help, "HOST:PORT", "", std::string(address_syntax), Need::optional,
             [&value](const std::string& text) {
                 value = parse_address(text);
                 return value.has_value();
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
    const std::string expected =
        lowest.count() == 0 ? fmt::format("{}, or 0", duration_syntax)
                            : fmt::format("{}, at least {}", duration_syntax, to_string(lowest));
    add_text(flag, help, "DURATION", to_string(value), expected, Need::optional,
             [&value, lowest](const std::string& text) {
                 const auto parsed = parse_duration(text);
                 value = std::chrono::duration_cast<milliseconds>(parsed.value_or(microseconds(0)));
                 return parsed && *parsed >= lowest && *parsed == value; // no part of one is lost
             });
}

void CommandLine::add(const std::string& flag, microseconds& value, const std::string& help)
{
    add_text(flag, help, "DURATION", to_string(value), "a duration such as 50us or 1ms, or 0",
             Need::optional, [&value](const std::string& text) {
                 const auto parsed = parse_duration(text);
                 value = parsed.value_or(microseconds(0));
                 return parsed.has_value();
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
             [&networks](std::string_view text) { networks.push_back(parse_cidr(text)); });
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

void CommandLine::add_file(const std::string& flag, std::string& value, const std::string& help)
{
    add_text(flag, help, "FILE", "", "the name of a file", Need::optional,
             [&value](const std::string& text) {
                 value = text;
                 return !text.empty();
             });
}

void CommandLine::add_name(const std::string& flag, std::string& value, const std::string& help)
{
    add_text(flag, help, "NAME", value, std::string(plain_name_syntax), Need::optional,
             [&value](const std::string& text) {
                 value = text;
                 return is_plain_name(text);
             });
}

void CommandLine::add_switch(const std::string& flag, bool& value, const std::string& help)
{
    flags_.push_back(
        std::make_unique<Flag>(Flag{flag, environment_prefix_ + in_capitals(flag), ""}));
    Flag& added = *flags_.back();
    added.is_on = &value;
    added.option = app_->add_flag(flag, value, help)->envname(added.variable);
}

void CommandLine::add(TrustOptions& options)
{
    trust_ = &options;
    add_file("--secret-file", options.secret_file,
             "File with the secret that both proxies know; what passes between them is then "
             "encrypted. Or the secret itself in " +
                 environment_prefix_ + "SECRET");
    // Known, so that it can be answered; with what is behind it never shown.
    app_->add_option_function<std::vector<std::string>>(
            "--secret",
            [this](const std::vector<std::string>&) {
                throw CLI::ValidationError(fmt::format(
                    "there is no --secret, since every user of a machine can read its command "
                    "lines (ps): put the secret into a file for --secret-file, or into the "
                    "environment variable {}SECRET",
                    environment_prefix_));
            },
            "")
        ->expected(0, 1)
        ->group("");
    add_text("--encryption",
             "auto: with a secret or certificates; off: not, although there is a secret; tls: also "
             "without either",
             "MODE", "auto", "auto, off or tls", Need::optional,
             [&options](const std::string& text) {
                 const auto encryption = one_of(encryptions, text);
                 options.encryption = encryption.value_or(Encryption::automatic);
                 return encryption.has_value();
             });
    add_file("--tls-cert", options.own.certificate,
             "This proxy's certificate, PEM, with its chain; instead of a secret");
    add_file("--tls-key", options.own.key, "The key of --tls-cert, PEM");
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
    add("--relay-threads", options.relay_threads, "How many threads move the visitors' bytes", 1,
        64);
    add("--spin", options.spin,
        "How long such a thread looks for the next bytes before it sleeps; 0: it sleeps at once");
    add_text(
        "--congestion",
        "TCP congestion control: auto (without pacing on this machine, bbr between the proxies "
        "where it can be had), off (the system's choice), or a name",
        "NAME", "auto",
        "auto, off or an algorithm of this system that this user may choose, see sysctl "
        "net.ipv4.tcp_allowed_congestion_control",
        Need::optional, [&options](const std::string& text) {
            const auto parsed = Congestion::parse(text);
            options.congestion = parsed.value_or(Congestion::automatic());
            return parsed.has_value();
        });
    add_text("--sandbox",
             "Whether to give up privileges, files and system calls that are no longer needed once "
             "the program is set up: on, as far as this system can; required: all of it, or do not "
             "start; off",
             "MODE", "on", "on or off, or required", Need::optional,
             [&options](const std::string& text) {
                 const auto sandbox = one_of(sandboxes, text);
                 options.sandbox = sandbox.value_or(Sandbox::on);
                 return sandbox.has_value();
             });
    add_text("--user",
             "Started as root: the user to go on as, once ports are bound and files are read",
             "USER[:GROUP]", "", std::string(user_syntax), Need::optional,
             [&options](const std::string& text) {
                 options.user = parse_user_name(text);
                 return options.user.has_value();
             });
    add_text("--log-level", "What to log: error, warn, info or debug", "LEVEL", "info",
             "error, warn, info or debug", Need::optional, [&options](const std::string& text) {
                 const auto level = one_of(levels, text);
                 options.log_level = level.value_or(log::Level::info);
                 return level.has_value();
             });
    add_text("--log-format", "How to log: text or json", "FORMAT", "text", "text or json",
             Need::optional, [&options](const std::string& text) {
                 const auto format = one_of(formats, text);
                 options.log_format = format.value_or(log::Format::text);
                 return format.has_value();
             });
    add_switch(
        "--watch", options.watch,
        "Reload, as SIGHUP does, when one of the files has changed that are read again then");
    add(options.management);
    const auto read_name = [this](const std::string& name) {
        if (name.empty())
            throw CLI::ValidationError("--config: \"\" is not the name of a file");
        config_ = name;
    };
    app_->add_option_function<std::string>("-c,--config", read_name,
                                           "TOML file with flags, and with tables of its own")
        ->envname(environment_prefix_ + "CONFIG")
        ->type_name("FILE")
        ->take_last();
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
    command.fallthrough();
    command.footer("Asks the program that runs, at --management-addr and with the token of "
                   "--management-token-file or --management-read-token-file; as these are given "
                   "here, in the environment, or in the file of --config.");
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
        CLI::Option& option = *command.add_option_function<std::string>(part.name, read, part.help);
        option.type_name(part.name.starts_with('-') ? "NAME" : "")->take_last();
        option.required(!part.name.starts_with('-'));
    }
    common_->command.word = form.word;
}

void CommandLine::check(std::function<std::string()> contradiction)
{
    contradiction_ = std::move(contradiction);
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

void CommandLine::read(int argc, const char* const* argv)
{
    app_->parse(argc, argv);
    refuse_empty_variables();
    read_secret();
    Problems problems;
    if (!config_.empty()) {
        const Configuration configuration = read_configuration(config_, problems);
        if (common_ != nullptr)
            common_->files = configuration.files;
        const bool whole = problems.empty();
        read_file(configuration.settings, problems);
        if (whole) // else what is missing may be where nobody could read
            look_for_contradictions(problems);
        if (!problems.empty())
            throw WrongConfiguration(problems.text());
    }
    look_for_contradictions(problems);
    if (!problems.empty())
        throw CLI::ValidationError(problems.first());
}

int CommandLine::answer(std::string_view command)
{
    if (command == "check" && read_files_)
        read_files_();
    if (command == "check" && common_ != nullptr && common_->user)
        find_user(*common_->user);
    const std::string text = command == "check" ? "ok\n" : print();
    return std::fputs(text.c_str(), stdout) < 0 || std::fflush(stdout) != 0 ? 1 : 0;
}

std::optional<int> CommandLine::parse(int argc, const char* const* argv)
{
    if (argc == 2 && std::string_view(argv[1]) == "gen-secret")
        return print_secret();
    if (argc > 1) {
        const auto form = std::ranges::find(commands_, argv[1], &CommandForm::word);
        if (form != commands_.end())
            expect(*form);
    }
    std::vector<const char*> words(argv, argv + argc);
    std::string_view command;
    if (argc > 1 && std::ranges::find(commands, std::string_view(argv[1])) != commands.end()) {
        command = argv[1];
        words.erase(words.begin() + 1);
    }
    try {
        read(static_cast<int>(words.size()), words.data());
        return command.empty() ? std::nullopt : std::optional(answer(command));
    } catch (const CLI::Success& success) { // --help, --version
        return app_->exit(success);
    } catch (const CLI::ParseError& error) {
        // fmt::print would throw where stderr is closed or full.
        const auto text = fmt::format("{}: {}\nTry: {} --help\n", program_, error.what(), program_);
        std::fputs(text.c_str(), stderr);
        return usage_error;
    } catch (const WrongConfiguration& wrong) {
        std::fputs(fmt::format("{}\n", wrong.what()).c_str(), stderr);
        return usage_error;
    } catch (const std::runtime_error& error) {
        std::fputs(fmt::format("{}: {}\n", program_, error.what()).c_str(), stderr);
        return usage_error;
    }
}

void CommandLine::parse_again(int argc, const char* const* argv)
{
    try {
        read(argc, argv);
    } catch (const CLI::ParseError& error) {
        throw std::runtime_error(error.what());
    }
}

} // namespace tunnel
