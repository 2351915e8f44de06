#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

#include "common/base/inherited.hpp"
#include "common/base/json.hpp"
#include "common/base/log.hpp"
#include "common/base/process.hpp"
#include "common/commands/takeover.hpp"
#include "common/files/file_reader.hpp"
#include "common/management/server.hpp"
#include "common/options/reload.hpp"
#include "common/options/reloader.hpp"
#include "common/sandbox/sandbox.hpp"
#include "common/security/certificates_in_use.hpp"
#include "common/service_manager/passed_sockets.hpp"
#include "common/service_manager/service_manager.hpp"
#include "common/service_manager/service_reports.hpp"
#include "common/takeover/background.hpp"
#include "common/takeover/handover.hpp"
#include "common/takeover/predecessor.hpp"
#include "common/transport/socket.hpp"
#include "common/transport/unix_dialer.hpp"
#include "origin-proxy/management/commands.hpp"
#include "origin-proxy/management/management.hpp"
#include "origin-proxy/management/status_log.hpp"
#include "origin-proxy/origin_proxy.hpp"
#include "origin-proxy/preflight.hpp"

namespace {

// How long the service manager waits for the first log-in: services that build on this one start
// after it, and a remote proxy that is away holds up no boot.
constexpr auto wait_for_remote = std::chrono::seconds(10);

// Where visitors connect to, as far as it can be known from here: a remote proxy that listens on
// all its addresses is reached by the name that was given for it.
std::string public_address(const tunnel::Address& remote_proxy, const std::string& outside)
{
    auto address = tunnel::parse_address(outside);
    if (!address)
        return outside;
    if (address->host == "0.0.0.0" || address->host == "::")
        address->host = remote_proxy.host;
    return to_string(*address);
}

tunnel::ReadyLine ready_line(const tunnel::OriginOptions& options,
                             const tunnel::Address& remote_proxy, const std::string& remote,
                             const std::vector<tunnel::Opened>& opened)
{
    tunnel::ReadyLine line{{{"remote", remote}}, {}};
    const bool is_one = opened.size() == 1 && opened[0].service == tunnel::default_service;
    if (options.services.empty() && is_one) { // else they were changed before the first log-in
        line.facts.emplace_back("origin", to_string(options.origin_server_address));
        line.facts.emplace_back("outside", public_address(remote_proxy, opened[0].outside_address));
        return line;
    }
    for (const tunnel::Opened& each : opened)
        line.services.emplace_back(each.service,
                                   public_address(remote_proxy, each.outside_address));
    return line;
}

// Null: there is no sandbox to be left out of.
std::unique_ptr<tunnel::UnixDialer> start_unix_dialer(asio::io_context& io,
                                                      const tunnel::OriginOptions& options,
                                                      const std::optional<tunnel::User>& user)
{
    const bool has_sandbox =
        options.common.sandbox != tunnel::Sandbox::off && tunnel::sandbox_is_built();
    auto paths = tunnel::unix_servers(options);
    // A reload may name one only in a file.
    if (!has_sandbox || (paths.empty() && options.common.files.top.empty()))
        return nullptr;
    auto dialer =
        std::make_unique<tunnel::UnixDialer>(io, options.common.sandbox, user, std::move(paths));
    tunnel::dial_unix_through(dialer.get());
    return dialer;
}

// It has its own copy of the options, and what the files say is read into that.
std::unique_ptr<tunnel::FileReader> start_file_reader(asio::io_context& io,
                                                      const tunnel::OriginOptions& options,
                                                      tunnel::Arguments arguments,
                                                      tunnel::UnixDialer* dialer)
{
    tunnel::OriginOptions own = options;
    return std::make_unique<tunnel::FileReader>(
        io, options.common.sandbox,
        tunnel::FileReader::Named{[&](int control) {
                                      own = tunnel::reread_options(arguments.count, arguments.words,
                                                                   own);
                                      if (control >= 0)
                                          tunnel::tell_paths(control, tunnel::unix_servers(own));
                                  },
                                  [&] { return tunnel::files_to_read_again(own.common); }},
        dialer != nullptr ? dialer->take_control() : tunnel::Fd());
}

// What another process needs to take over from this one.
tunnel::Handover::Hooks handover_hooks(tunnel::OriginProxy& proxy, tunnel::Management* management)
{
    tunnel::Handover::Hooks hooks;
    hooks.objection = [&proxy] {
        return std::string(proxy.is_ending() ? "the origin proxy is about to end" : "");
    };
    hooks.sockets = [management] {
        std::vector<tunnel::Handover::Shared> all;
        if (management != nullptr) {
            for (const int each : management->server.descriptors())
                all.push_back({each, "management"});
        }
        return all;
    };
    hooks.let_go = [&proxy, management]() -> asio::awaitable<std::string> {
        if (management != nullptr)
            management->server.pause();
        const std::vector<std::string> logged_in = proxy.logged_in_at();
        co_await proxy.let_go();
        co_return tunnel::to_line({{"logged_in", logged_in}});
    };
    hooks.take_back = [&proxy, management] {
        proxy.take_back();
        if (management != nullptr)
            management->server.resume();
    };
    hooks.leave = [&proxy, management] {
        proxy.leave();
        if (management != nullptr)
            management->server.leave();
    };
    return hooks;
}

// Where the process before this one was logged in, and this one wants to be as well.
std::set<std::string> awaited_log_ins(const std::string& state,
                                      const tunnel::OriginOptions& options)
{
    std::set<std::string> awaited;
    try {
        const auto before = tunnel::Json::parse(state).at("logged_in").get<std::set<std::string>>();
        for (const auto& each : options.remote_proxies) {
            if (before.contains(to_string(each.address)))
                awaited.insert(to_string(each.address));
        }
    } catch (const tunnel::Json::exception& error) {
        throw std::runtime_error(std::string("the running program said what has no meaning: ") +
                                 error.what());
    }
    return awaited;
}

// Throws std::runtime_error if it cannot log in where the process before it was logged in, which
// goes on then.
asio::awaitable<void> log_in_instead(const tunnel::OriginProxy& proxy,
                                     std::set<std::string> awaited)
{
    constexpr auto patience = std::chrono::seconds(10);
    constexpr std::size_t most_failures = 3; // visitors wait meanwhile
    constexpr auto look_again = std::chrono::milliseconds(5);
    const auto limit = tunnel::Clock::now() + patience;
    for (;;) {
        for (const std::string& each : proxy.logged_in_at())
            awaited.erase(each);
        if (awaited.empty())
            co_return;
        if (tunnel::Clock::now() >= limit || proxy.most_failures() >= most_failures)
            throw std::runtime_error("cannot log in at " + *awaited.begin() +
                                     ", where the running program was logged in: it goes on");
        co_await tunnel::sleep_for(look_again);
    }
}

// `options` are those of the last reload, then.
int run(asio::io_context& io, tunnel::OriginOptions& options, tunnel::Arguments arguments,
        std::optional<tunnel::Background> background, tunnel::ServiceManager manager)
{
    const auto user = tunnel::read_configured(
        options.common.values, [&] { return tunnel::user_to_become(options.common.user); });
    // A process of its own that needs no secret, so it is started before any is read.
    const auto dialer = start_unix_dialer(io, options, user);
    std::vector<tunnel::TrustedRemote> trust =
        tunnel::read_configured(options.common.values, [&options] {
            tunnel::read_logins(options);
            tunnel::read_proxy_passwords(options);
            return tunnel::trusted_remotes(options);
        });
    const auto loaded = std::make_shared<tunnel::CertificatesInUse>(io);
    loaded->take_certificates(options.certificates_shown());
    tunnel::GivenSockets given;
    auto predecessor = tunnel::find_predecessor("origin-proxy", options.common, user, given);
    tunnel::PassedSockets passed(given);
    auto management = tunnel::read_configured(options.common.values, [&] {
        return tunnel::listen_for("--management-addr", [&] {
            return tunnel::prepare_management(io, options.common.management,
                                              options.descriptor_limit, "origin-proxy", loaded,
                                              given);
        });
    });
    passed.must_be_taken();
    std::optional<tunnel::Handover> handover;
    if (!options.common.takeover_socket.empty())
        handover.emplace(io, options.common.takeover_socket, "origin-proxy", given);
    given.clear();
    const std::string seen_at_start =
        tunnel::fingerprint(tunnel::files_to_read_again(options.common));
    const auto reader = start_file_reader(io, options, arguments, dialer.get());
    if (user && handover)
        handover->give_to(user->user, user->group);
    if (user)
        tunnel::become(*user, false, options.common.management.socket_file());
    tunnel::enter_sandbox(options.common.sandbox,
                          {.removed = options.common.management.socket_file(),
                           .appended = tunnel::log::place_of_file(),
                           .system_authorities = options.trusts_system_authorities()});
    tunnel::start_writing();
    tunnel::warn_of_what_is_read_once();
    tunnel::must_be_allowed(options.common);
    tunnel::ServiceReports* told = nullptr; // once there is something to tell
    const auto on_ready = [&options, &told](const tunnel::Address& remote_proxy,
                                            const std::string& remote,
                                            const std::vector<tunnel::Opened>& opened) {
        told->ready();
        tunnel::print_ready(ready_line(options, remote_proxy, remote, opened));
    };
    tunnel::OriginProxy proxy(io, options, std::move(trust), on_ready);
    tunnel::ServiceReports reports(
        io, manager,
        {[&proxy] { return proxy.summary(); }, [&proxy] { return proxy.other_threads_turn(); }});
    told = &reports;
    const auto reload = [&](tunnel::ReloadReport& report) {
        const bool success = tunnel::reload_or_complain(report.problems, [&] {
            auto fresh = tunnel::reread_options(arguments.count, arguments.words, options);
            std::optional<tunnel::ManagementServer::Trust> trusted_clients;
            tunnel::read_configured(fresh.common.values, [&] { // all that may fail comes first
                if (management)
                    trusted_clients = management->server.read_trust(fresh.common.management);
                tunnel::read_logins(fresh);
                tunnel::read_proxy_passwords(fresh);
                proxy.reload(fresh);
            });
            report.changes = tunnel::finish_reload(options.common, fresh.common);
            options = std::move(fresh);
            if (management)
                management->server.change(std::move(trusted_clients));
            loaded->take_certificates(options.certificates_shown());
        });
        loaded->note_reload(success);
        return success;
    };
    tunnel::Reloader reloader(io, *reader, reload);
    reloader.tell([&reports](bool under_way) { reports.reloading(under_way); });
    const auto stop_gently = [&] {
        reports.stopping(options.common.grace_period);
        proxy.stop_gently();
        if (management)
            management->server.stop_gently();
        if (handover)
            handover->leave();
    };
    asio::signal_set signals(io);
    tunnel::watch_signals(signals, {stop_gently, [&proxy] { proxy.stop_now(); },
                                    [&reloader] { reloader.reload_soon(); },
                                    [&proxy] { tunnel::log_status(proxy.status()); }});
    if (options.common.watch)
        reloader.watch(seen_at_start);
    const auto on_settled = [&] {
        if (predecessor)
            predecessor->serving();
        if (management) {
            management->server.own_address();
            management->server.start(tunnel::origin_management(
                [&proxy] { return proxy.status(); },
                [&reloader](tunnel::ReloadReport& report) { return reloader.reload(report); },
                management->process, [&proxy] { return proxy.take_longest_turns(); }));
        }
        if (handover)
            handover->start(
                tunnel::with_service(handover_hooks(proxy, management.get()), manager, [&] {
                    passed.forget();
                    reports.leave();
                }));
        if (predecessor)
            manager.main_pid(::getpid());
        if (background)
            background->is_serving();
        reports.ready_after(wait_for_remote);
    };
    std::set<std::string> awaited;
    if (predecessor) {
        const std::string state = predecessor->take_over(given);
        given.clear();
        awaited = awaited_log_ins(state, options);
        manager.take_watchdog(state);
        reports.watch();
    }
    proxy.start();
    std::exception_ptr failure;
    const auto settle = [&](std::exception_ptr thrown) {
        failure = std::move(thrown);
        try {
            if (!failure)
                on_settled();
        } catch (const std::runtime_error&) { // the other goes on
            failure = std::current_exception();
        }
        if (failure)
            proxy.stop_now();
    };
    if (awaited.empty())
        settle(nullptr);
    else
        asio::co_spawn(io, log_in_instead(proxy, std::move(awaited)), settle);
    while (!proxy.stopped())
        proxy.run_some();
    if (management)
        management->server.stop();
    reloader.stop();
    if (handover)
        handover->stop();
    io.poll(); // the last visitors' log lines
    if (failure)
        std::rethrow_exception(failure);
    return proxy.gave_up() ? 1 : 0;
}

} // namespace

int main(int argc, char** argv)
{
    tunnel::occupy_standard_descriptors();
    tunnel::check_stdout_at_exit();
    tunnel::OriginOptions options;
    if (const auto code = tunnel::parse(argc, argv, options, tunnel::check_start))
        return *code;
    if (const auto code = tunnel::start_log(options.common))
        return *code;
    if (options.common.command.asks())
        return tunnel::ask_origin_proxy(options.common.command, options.common.management);
    auto manager = tunnel::ServiceManager::from_environment(); // the background is no other service
    std::optional<tunnel::Background> background;
    if (options.common.command.background)
        background = tunnel::Background::enter();
    options.descriptor_limit =
        tunnel::descriptors_beside_management(tunnel::prepare_process(), options.common.management);
    return tunnel::run_program([&](asio::io_context& io) {
        return run(io, options, {argc, argv}, std::move(background), std::move(manager));
    });
}
