#include <memory>
#include <optional>
#include <utility>

#include "common/base/inherited.hpp"
#include "common/base/log.hpp"
#include "common/base/process.hpp"
#include "common/files/file_reader.hpp"
#include "common/management/server.hpp"
#include "common/options/reload.hpp"
#include "common/options/reloader.hpp"
#include "common/sandbox/sandbox.hpp"
#include "common/security/certificates_in_use.hpp"
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

// `options` are those of the last reload, then.
int run(asio::io_context& io, tunnel::RemoteOptions& options, tunnel::Arguments arguments)
{
    const auto user = tunnel::read_configured(
        options.common.values, [&] { return tunnel::user_to_become(options.common.user); });
    tunnel::read_configured(options.common.values, [&options] { tunnel::read_logins(options); });
    tunnel::must_not_collide(io, options);
    tunnel::GivenSockets given;
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
    std::optional<tunnel::StateFile> state;
    tunnel::SavedState kept;
    if (!options.state_file.empty()) {
        state.emplace(options.state_file).lock();
        kept = tunnel::read_configured(options.common.values, [&] { return state->read(); });
    }
    const std::string seen_at_start = tunnel::fingerprint(tunnel::files_of(options));
    const auto reader = start_file_reader(io, options, arguments);
    if (user)
        tunnel::become(*user, tunnel::opens_low_ports(options),
                       options.common.management.socket_file());
    if (state)
        state->must_be_replaceable();
    tunnel::enter_sandbox(options.common.sandbox,
                          {options.common.management.socket_file(), options.state_file,
                           tunnel::opens_low_ports(options), options.fronts.acme_webroot});
    tunnel::start_writing();
    tunnel::warn_of_what_is_read_once();
    tunnel::must_be_allowed(options.common);
    tunnel::RemoteProxy proxy(io, options, std::move(prepared));
    proxy.restore(kept);
    const auto save = [&] {
        if (state)
            state->write_soon(io, proxy.saved_state());
    };
    if (proxy.saved_state() != kept)
        save();
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
    const auto stop_gently = [&] {
        proxy.stop_gently();
        if (management)
            management->server.stop_gently();
        if (state)
            state->release();
    };
    asio::signal_set signals(io);
    tunnel::watch_signals(signals,
                          {stop_gently, [&proxy] { proxy.stop_now(); },
                           [&reloader] { reloader.reload_soon(); },
                           [&proxy] { tunnel::log_status(proxy.status(), proxy.visitors()); }});
    if (options.common.watch)
        reloader.watch(seen_at_start);
    proxy.start();
    if (management)
        management->server.start(tunnel::remote_management(
            {proxy, [&reloader](tunnel::ReloadReport& report) { return reloader.reload(report); },
             state ? &*state : nullptr},
            management->process));
    tunnel::print_ready(ready_line(proxy));
    warn_of_dangers(proxy);
    while (!proxy.stopped())
        proxy.run_some();
    if (management)
        management->server.stop();
    reloader.stop();
    if (state)
        state->finish();
    io.poll(); // the last visitors' log lines
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
    tunnel::start_log(options.common);
    if (options.common.command.is_given())
        return tunnel::ask_remote_proxy(options.common.command, options.common.management);
    options.descriptor_limit =
        tunnel::descriptors_beside_management(tunnel::prepare_process(), options.common.management);
    return tunnel::run_program([&options, argc, argv](asio::io_context& io) {
        return run(io, options, {argc, argv});
    });
}
