#include "common/options/options.hpp"

#include <algorithm>
#include <cstdlib>
#include <thread>

#include "common/options/trust_options.hpp"
#include "common/options/value_readers.hpp"

namespace tunnel {

namespace {

constexpr Choices<log::Level, 4> levels{{{"error", log::Level::error},
                                         {"warn", log::Level::warn},
                                         {"info", log::Level::info},
                                         {"debug", log::Level::debug}}};

constexpr Choices<log::Format, 2> formats{
    {{"text", log::Format::text}, {"json", log::Format::json}}};

constexpr Choices<Sandbox, 3> sandboxes{
    {{"on", Sandbox::on}, {"off", Sandbox::off}, {"required", Sandbox::required}}};

ValueReader as_congestion(Congestion& value)
{
    return as_text(
        "NAME",
        [&value](const std::string& text) {
            const auto parsed = Congestion::parse(text);
            if (!parsed)
                refuse_text(text,
                            "auto, off or an algorithm of this system that this user may choose, "
                            "see sysctl net.ipv4.tcp_allowed_congestion_control",
                            did_you_mean(text, {"auto", "off", "bbr", "cubic", "reno"}));
            value = *parsed;
        },
        "auto");
}

ValueReader as_user(std::optional<UserName>& value)
{
    return as_text("USER[:GROUP]", [&value](const std::string& text) {
        value = parse_user_name(text);
        if (!value)
            refuse_text(text, user_syntax);
    });
}

} // namespace

std::uint32_t default_relay_threads()
{
    return std::clamp(std::thread::hardware_concurrency(), 1u, 8u);
}

OptionList describe(CommonOptions& options)
{
    OptionList all;
    constexpr milliseconds none{0};
    append(
        all, "Connections",
        {{"heartbeat-interval", as_duration(options.heartbeat_interval),
          "How often to tell the other proxy that this one is alive"},
         {"heartbeat-timeout",
          // the other proxy sends ten heartbeats a second at most
          as_duration(options.heartbeat_timeout, milliseconds(300)),
          "Give the control connection up after hearing nothing for this long"},
         {"half-close-timeout", as_duration(options.half_close_timeout, none),
          "Close a visitor when one side has finished and no byte moved for this long; 0: never"},
         {"idle-timeout", as_duration(options.idle_timeout, none),
          "Close a visitor when neither side has finished and no byte moved for this long; 0: "
          "never"},
         {"grace-period", as_duration(options.grace_period, none),
          "How long visitors may go on after SIGTERM or SIGINT", Trait::reloads}});
    append(all, "Performance",
           {{"relay-threads", as_number(options.relay_threads, 1, 64),
             "How many threads move the visitors' bytes"},
            {"spin", as_duration(options.spin),
             "How long such a thread polls for the next bytes before it sleeps; 0: it sleeps at "
             "once"},
            {"congestion", as_congestion(options.congestion),
             "TCP congestion control: auto (no pacing within this machine, bbr between the proxies "
             "where it is available), off (the system's choice), or a name"}});
    append(all, "Process and log",
           {{"sandbox", as_choice(options.sandbox, sandboxes),
             "Give up privileges, files and system calls that are no longer needed after the "
             "start. on: as far as this system can; required: all of it, or do not start; off: "
             "nothing"},
            {"user", as_user(options.user),
             "Started as root: the user to run as, once ports are bound and files are read"},
            {"log-level", as_choice(options.log_level, levels, "LEVEL"),
             "What to log: error, warn, info or debug", Trait::common | Trait::reloads},
            {"log-format", as_choice(options.log_format, formats, "FORMAT"),
             "How to log: text or json", Trait::common},
            {"log-file", as_written_file(options.log_file),
             "Log to this file instead of stderr; a reload opens it again, for logrotate"},
            {"takeover-socket", as_written_file(options.takeover_socket),
             "Where a new process of this program may take over from this one without a visitor "
             "noticing: a Unix socket, for the command takeover"},
            {"watch", as_switch(options.watch),
             "Reload, as on SIGHUP, when a file that a reload reads has changed", Trait::common}});
    append(all, describe(options.management));
    return all;
}

std::vector<std::filesystem::path> files_to_read_again(const CommonOptions& options)
{
    auto all = options.files.present();
    for (const OptionValue& each : options.values) {
        if (each.reads_files)
            all.insert(all.end(), each.files.begin(), each.files.end());
    }
    if (std::string credential = credential_file(); !credential.empty())
        all.emplace_back(std::move(credential));
    // Where OpenSSL looks for the system's authorities, if it was told to look elsewhere.
    for (const char* const variable : {"SSL_CERT_FILE", "SSL_CERT_DIR"}) {
        if (const char* const path = std::getenv(variable); path != nullptr && *path != '\0')
            all.emplace_back(path);
    }
    return all;
}

RelayOptions relay_options(const CommonOptions& options, std::size_t descriptor_limit)
{
    // An unprivileged user is granted 64 such pipes in all before the kernel makes them small
    // (fs.pipe-user-pages-soft), and two proxies may run on one machine.
    constexpr std::size_t most_pipes = 24;
    const bool one_each = descriptor_limit / 32 >= options.relay_threads;
    const std::size_t pipes = std::max<std::size_t>(
        std::min(most_pipes, descriptor_limit / 64) / options.relay_threads, one_each ? 1 : 0);
    RelayOptions relay;
    relay.workers = options.relay_threads;
    relay.lent_thread = true;
    relay.half_close_timeout = options.half_close_timeout;
    relay.idle_timeout = options.idle_timeout;
    relay.spin = options.spin;
    relay.pipes = pipes;
    return relay;
}

std::optional<int> start_log(const CommonOptions& options)
{
    const bool answers = options.command.asks(); // and writes no log of its own
    log::configure(options.log_level, !answers               ? options.log_format
                                      : options.command.json ? log::Format::json
                                                             : log::Format::text);
    if (!answers && !options.log_file.empty()) {
        try {
            log::write_to(options.log_file);
        } catch (const std::system_error& error) {
            log::error(name_option(error.what(), options.values));
            return 2;
        }
    }
    if (!answers && !options.default_file.empty())
        log::info("no flag says what to do, so the default configuration file does",
                  {{"file", options.default_file.string()}});
    for (const std::string& doubt : options.doubts)
        log::warn(doubt);
    return std::nullopt;
}

void must_be_allowed(const CommonOptions& options)
{
    read_configured(options.values, [&options] { options.congestion.must_be_allowed(); });
}

} // namespace tunnel
