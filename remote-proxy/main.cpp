#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include <unistd.h>

#include "common/base/inherited.hpp"
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
#include "remote-proxy/management/commands.hpp"
#include "remote-proxy/management/routes.hpp"
#include "remote-proxy/management/state_file.hpp"
#include "remote-proxy/management/status_log.hpp"
#include "remote-proxy/preflight.hpp"
#include "remote-proxy/remote_proxy.hpp"

namespace {

void warn_of_dangers(const tunnel::RemoteProxy& proxy)
{
    if (proxy.trusts_anyone())
        tunnel::warn_that_anyone_may_log_in(proxy.control_endpoint());
    if (!proxy.encrypts())
        tunnel::log::info("what passes between the proxies is not encrypted");
}

// One service that has no name, or each with its own.
tunnel::ReadyLine ready_line(const tunnel::RemoteProxy& proxy)
{
    tunnel::ReadyLine line{{{"control", tunnel::to_string(proxy.control_endpoint())}}, {}};
    for (const auto& [name, endpoint] : proxy.fronts())
        line.facts.emplace_back(name, tunnel::to_string(endpoint));
    const auto all = proxy.outside_addresses();
    for (const auto& [name, outside] : all) {
        const bool only = all.size() == 1 && name == tunnel::default_service;
        if (only)
            line.facts.emplace_back("outside", outside);
        else
            line.services.emplace_back(name, outside);
    }
    return line;
}

// To origin proxies, to those who manage the program, and to visitors.
std::vector<std::string> shown_certificates(const tunnel::RemoteOptions& options,
                                            const tunnel::ServedCertificates* served)
{
    std::vector<std::string> all = tunnel::certificates_shown(options);
    if (served != nullptr)
        all.insert(all.end(), served->files().begin(), served->files().end());
    return all;
}

// It has its own copy of the options, and what the files say is read into that.
std::unique_ptr<tunnel::FileReader> start_file_reader(asio::io_context& io,
                                                      const tunnel::RemoteOptions& options,
                                                      tunnel::Arguments arguments)
{
    tunnel::RemoteOptions own = options;
    return std::make_unique<tunnel::FileReader>(
        io, options.common.sandbox,
        tunnel::FileReader::Named{
            [&](int) { own = tunnel::reread_options(arguments.count, arguments.words, own); },
            [&] { return tunnel::files_of(own); }});
}

// Waits for the disk, which a successor is about to use.
asio::awaitable<void> release(tunnel::StateFile& state)
{
    constexpr auto look_again = std::chrono::milliseconds(5);
    const auto limit = tunnel::Clock::now() + std::chrono::seconds(2);
    state.release();
    while (state.is_writing() && tunnel::Clock::now() < limit)
        co_await tunnel::sleep_for(look_again);
}

// What another process needs to take over from this one.
tunnel::Handover::Hooks handover_hooks(tunnel::RemoteProxy& proxy, tunnel::Management* management,
                                       tunnel::StateFile* state)
{
    tunnel::Handover::Hooks hooks;
    hooks.objection = [&proxy] {
        return std::string(proxy.is_ending() ? "the remote proxy is about to end" : "");
    };
    hooks.sockets = [&proxy, management] {
        auto all = proxy.departure().sockets();
        if (management != nullptr) {
            for (const int each : management->server.descriptors())
                all.push_back({each, "management"});
        }
        return all;
    };
    hooks.let_go = [&proxy, management, state]() -> asio::awaitable<std::string> {
        if (management != nullptr)
            management->server.pause();
        const tunnel::FormerState former = co_await proxy.departure().let_go();
        if (state != nullptr)
            co_await release(*state);
        co_return to_text(former);
    };
    hooks.take_back = [&proxy, management, state] {
        proxy.departure().take_back();
        if (management != nullptr)
            management->server.resume();
        if (state == nullptr || proxy.is_ending())
            return;
        try {
            state->reclaim();
        } catch (const std::runtime_error& error) {
            tunnel::log::error("changes are not saved any more", {{"reason", error.what()}});
        }
    };
    hooks.leave = [&proxy, management] {
        proxy.departure().leave();
        if (management != nullptr)
            management->server.leave();
    };
    return hooks;
}

// `options` are those of the last reload, then.
int run(asio::io_context& io, tunnel::RemoteOptions& options, tunnel::Arguments arguments,
        std::optional<tunnel::Background> background, tunnel::ServiceManager manager)
{
    const auto user = tunnel::read_configured(
        options.common.values, [&] { return tunnel::user_to_become(options.common.user); });
    tunnel::read_configured(options.common.values, [&options] { tunnel::read_logins(options); });
    tunnel::must_not_collide(io, options);
    tunnel::GivenSockets given;
    auto predecessor = tunnel::find_predecessor("remote-proxy", options.common, user, given);
    tunnel::PassedSockets passed(given);
    tunnel::RemoteProxy::Former former;
    former.has_given = given.size() > 0;
    tunnel::RemoteProxy::Prepared prepared(io, options, given);
    const auto loaded = std::make_shared<tunnel::CertificatesInUse>(io);
    loaded->take_certificates(shown_certificates(options, prepared.reception.certificates.get()));
    auto management = tunnel::read_configured(options.common.values, [&] {
        return tunnel::listen_for("--management-addr", [&] {
            return tunnel::prepare_management(io, options.common.management,
                                              options.descriptor_limit, "remote-proxy", loaded,
                                              given);
        });
    });
    passed.must_be_taken();
    std::optional<tunnel::Handover> handover;
    if (!options.common.takeover_socket.empty())
        handover.emplace(io, options.common.takeover_socket, "remote-proxy", given);
    std::optional<tunnel::StateFile> state;
    tunnel::SavedState kept;
    if (!options.state_file.empty()) {
        state.emplace(options.state_file);
        if (!predecessor)
            state->lock();
        kept = tunnel::read_configured(options.common.values, [&] { return state->read(); });
    }
    const std::string seen_at_start = tunnel::fingerprint(tunnel::files_of(options));
    const auto reader = start_file_reader(io, options, arguments);
    if (user && handover)
        handover->give_to(user->user, user->group);
    if (user)
        tunnel::become(*user, tunnel::opens_low_ports(options),
                       options.common.management.socket_file());
    if (state)
        state->must_be_replaceable();
    tunnel::enter_sandbox(options.common.sandbox,
                          {.removed = options.common.management.socket_file(),
                           .replaced = options.state_file,
                           .appended = tunnel::log::place_of_file(),
                           .low_ports = tunnel::opens_low_ports(options),
                           .readable = options.fronts.acme_webroot});
    tunnel::start_writing();
    tunnel::warn_of_what_is_read_once();
    tunnel::must_be_allowed(options.common);
    tunnel::RemoteProxy proxy(io, options, std::move(prepared));
    if (predecessor) {
        const std::string told = predecessor->take_over(given);
        former.state = tunnel::parse_former_state(told);
        manager.take_watchdog(told);
        kept = former.state.saved;
        if (state)
            state->lock();
    } else {
        former.state.saved = kept;
    }
    former.given = std::move(given);
    tunnel::ServiceReports reports(
        io, manager,
        {[&proxy] { return proxy.summary(); }, [&proxy] { return proxy.other_threads_turn(); }});
    const auto save = [&] {
        if (state)
            state->write_soon(io, proxy.saved_state());
    };
    const auto reload = [&](tunnel::ReloadReport& report) {
        const bool success = tunnel::reload_or_complain(report.problems, [&] {
            auto fresh = tunnel::reread_options(arguments.count, arguments.words, options);
            std::optional<tunnel::ManagementServer::Trust> trust;
            const std::size_t tunnels = proxy.saved_state().tunnels.size();
            tunnel::read_configured(fresh.common.values, [&] { // all that may fail comes first
                if (management)
                    trust = management->server.read_trust(fresh.common.management);
                tunnel::read_logins(fresh);
                proxy.reload(fresh);
            });
            report.changes = tunnel::finish_reload(options.common, fresh.common);
            options = std::move(fresh);
            loaded->take_certificates(shown_certificates(options, proxy.certificates()));
            if (management)
                management->server.change(std::move(trust));
            if (proxy.saved_state().tunnels.size() != tunnels) // one has given way
                save();
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
        if (state)
            state->release();
        if (handover)
            handover->leave();
    };
    asio::signal_set signals(io);
    tunnel::watch_signals(signals,
                          {stop_gently, [&proxy] { proxy.stop_now(); },
                           [&reloader] { reloader.reload_soon(); },
                           [&proxy] { tunnel::log_status(proxy.status(), proxy.visitors()); }});
    if (options.common.watch)
        reloader.watch(seen_at_start);
    std::exception_ptr failure;
    former.on_settled = [&] {
        try {
            if (predecessor)
                predecessor->serving();
        } catch (const std::runtime_error&) { // the other goes on
            failure = std::current_exception();
            return proxy.stop_now();
        }
        if (management) {
            management->server.own_address();
            management->server.start(tunnel::remote_management(
                {proxy,
                 [&reloader](tunnel::ReloadReport& report) { return reloader.reload(report); },
                 state ? &*state : nullptr},
                management->process));
        }
        if (handover)
            handover->start(tunnel::with_service(
                handover_hooks(proxy, management.get(), state ? &*state : nullptr), manager, [&] {
                    passed.forget();
                    reports.leave();
                }));
        if (predecessor)
            manager.main_pid(::getpid());
        reports.ready();
        tunnel::print_ready(ready_line(proxy));
        if (background)
            background->is_serving();
        warn_of_dangers(proxy);
    };
    proxy.start(std::move(former));
    if (proxy.saved_state() != kept)
        save();
    while (!proxy.stopped())
        proxy.run_some();
    if (management)
        management->server.stop();
    reloader.stop();
    if (handover)
        handover->stop();
    if (state)
        state->finish();
    io.poll(); // the last visitors' log lines
    if (failure)
        std::rethrow_exception(failure);
    return 0;
}

} // namespace

int main(int argc, char** argv)
{
    tunnel::occupy_standard_descriptors();
    tunnel::check_stdout_at_exit();
    tunnel::RemoteOptions options;
    if (const auto code = tunnel::parse(argc, argv, options, tunnel::check_start))
        return *code;
    if (const auto code = tunnel::start_log(options.common))
        return *code;
    if (options.common.command.asks())
        return tunnel::ask_remote_proxy(options.common.command, options.common.management);
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
