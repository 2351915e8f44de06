#include "common/options.hpp"

#include <algorithm>
#include <array>
#include <charconv>
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

std::optional<std::uint32_t> parse_number(const std::string& text)
{
    std::uint32_t number = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc() || rest != end)
        return std::nullopt;
    return number;
}

template <class Value, std::size_t count>
std::optional<Value> one_of(const std::array<std::pair<std::string_view, Value>, count>& names,
                            std::string_view text)
{
    const auto found =
        std::ranges::find(names, text, [](const auto& entry) { return entry.first; });
    return found == names.end() ? std::nullopt : std::optional(found->second);
}

constexpr std::array<std::pair<std::string_view, log::Level>, 4> levels{
    {{"error", log::Level::error},
     {"warn", log::Level::warn},
     {"info", log::Level::info},
     {"debug", log::Level::debug}}};

constexpr std::array<std::pair<std::string_view, Encryption>, 3> encryptions{
    {{"auto", Encryption::automatic}, {"off", Encryption::off}, {"tls", Encryption::tls}}};

constexpr std::array<std::pair<std::string_view, log::Format>, 2> formats{
    {{"text", log::Format::text}, {"json", log::Format::json}}};

constexpr std::array<std::pair<std::string_view, Sandbox>, 2> sandboxes{
    {{"on", Sandbox::on}, {"off", Sandbox::off}}};

} // namespace

std::uint32_t default_relay_threads()
{
    return std::clamp(std::thread::hardware_concurrency(), 1u, 4u);
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
    app_->footer(program_ +
                 " gen-secret > FILE makes a secret for --secret-file of both proxies.\n"
                 "Every flag may also be set by the environment variable named beside it; the "
                 "command line wins.\nExit status: 0 after a clean stop, 1 after a failure, 2 "
                 "after a wrong command line.");
}

CommandLine::~CommandLine() = default;

CLI::Option* CommandLine::add_text(const std::string& flag, const std::string& help,
                                   const std::string& type, const std::string& shown_default,
                                   std::string expected, Need need,
                                   std::function<bool(const std::string&)> read)
{
    const std::string variable = environment_prefix_ + in_capitals(flag);
    const auto complain = [flag, variable](const std::string& what) {
        throw CLI::ValidationError(fmt::format("{} (or {}): {}", flag, variable, what));
    };
    CLI::Option* const option = app_->add_option_function<std::string>(
        flag,
        [complain, expected = std::move(expected),
         read = std::move(read)](const std::string& text) {
            try {
                if (!read(text))
                    complain(fmt::format("\"{}\" is not {}", text, expected));
            } catch (const std::invalid_argument& error) {
                complain(error.what());
            }
        },
        help);
    option->envname(variable)->type_name(type)->default_str(shown_default);
    // Without the last one winning, a wrapper script could not be overridden.
    option->take_last();
    if (need == Need::required)
        option->required();
    return option;
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
    CLI::Option* const option = add_text(flag, help, type, "", "", Need::optional, read_all);
    option->join(); // each time it is given, one line
}

void CommandLine::add_choice(const std::string& flag, const std::string& help,
                             const std::string& shown_default, const std::string& expected,
                             std::function<bool(const std::string&)> read)
{
    add_text(flag, help, "MODE", shown_default, expected, Need::optional, std::move(read));
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

void CommandLine::add_switch(const std::string& flag, bool& value, const std::string& help)
{
    app_->add_flag(flag, value, help)->envname(environment_prefix_ + in_capitals(flag));
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
    trust_->secret = parse_secret(text, variable);
}

void CommandLine::add(CommonOptions& options)
{
    add("--heartbeat-interval", options.heartbeat_interval,
        "How often to tell the other proxy that this one is alive");
    add("--heartbeat-timeout", options.heartbeat_timeout,
        "Give the control connection up after hearing nothing for this long");
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
             "the program is set up: on or off",
             "MODE", "on", "on or off", Need::optional, [&options](const std::string& text) {
                 const auto sandbox = one_of(sandboxes, text);
                 options.sandbox = sandbox.value_or(Sandbox::on);
                 return sandbox.has_value();
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
}

void CommandLine::check(std::function<std::string()> contradiction)
{
    contradiction_ = std::move(contradiction);
}

std::optional<int> CommandLine::parse(int argc, const char* const* argv)
{
    if (argc == 2 && std::string_view(argv[1]) == "gen-secret")
        return print_secret();
    try {
        app_->parse(argc, argv);
        read_secret();
        if (trust_ != nullptr && !trust_->contradiction().empty())
            throw CLI::ValidationError(trust_->contradiction());
        if (const std::string wrong = contradiction_ ? contradiction_() : ""; !wrong.empty())
            throw CLI::ValidationError(wrong);
        return std::nullopt;
    } catch (const CLI::Success& success) { // --help, --version
        return app_->exit(success);
    } catch (const CLI::ParseError& error) {
        // fmt::print would throw where stderr is closed or full.
        const auto text = fmt::format("{}: {}\nTry: {} --help\n", program_, error.what(), program_);
        std::fputs(text.c_str(), stderr);
        return usage_error;
    } catch (const std::runtime_error& error) {
        std::fputs(fmt::format("{}: {}\n", program_, error.what()).c_str(), stderr);
        return usage_error;
    }
}

} // namespace tunnel
