#include <memory>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "common/file_watch.hpp"
#include "common/loaded.hpp"
#include "common/log.hpp"
#include "common/management/server.hpp"
#include "common/net/socket.hpp"
#include "common/process.hpp"
#include "common/reload.hpp"
#include "common/sandbox.hpp"
#include "remote-proxy/commands.hpp"
#include "remote-proxy/management_routes.hpp"
#include "remote-proxy/remote_proxy.hpp"
#include "remote-proxy/state_file.hpp"
#include "remote-proxy/status_log.hpp"

namespace {

void warn_of_dangers(const tunnel::RemoteProxy& proxy)
{
    const auto control = proxy.control_endpoint();
    if (proxy.trusts_anyone() && control.address().is_loopback())
        tunnel::log::warn("there is no secret: whoever can connect to the control address may act "
                          "as the origin proxy",
                          {{"control", tunnel::to_string(control)}});
    else if (proxy.trusts_anyone())
        tunnel::log::warn(
            "THERE IS NO SECRET, AND OTHER MACHINES REACH THE CONTROL ADDRESS: any of "
            "them may act as the origin proxy and answer your visitors; make one "
            "with: remote-proxy gen-secret > FILE, and give both proxies "
            "--secret-file FILE",
            {{"control", tunnel::to_string(control)}});
    if (!proxy.encrypts())
        tunnel::log::info("what passes between the proxies is not encrypted");
}

// One service that has no name, or each with its own.
std::string outside_addresses(const tunnel::RemoteProxy& proxy)
{
    const auto all = proxy.outside_endpoints();
    std::string text;
    for (const auto& [name, endpoint] : all) {
        const bool only = all.size() == 1 && name == tunnel::default_service;
        text += fmt::format(" {}={}", only ? "outside" : name, tunnel::to_string(endpoint));
    }
    return text;
}

// `options` are those of the last reload, then.
int run(asio::io_context& io, tunnel::RemoteOptions& options, tunnel::Arguments arguments)
{
    tunnel::RemoteProxy::Prepared prepared(io, options);
    const auto loaded = std::make_shared<tunnel::Loaded>(io);
    loaded->take_certificates(tunnel::certificates_shown(options));
    auto management = tunnel::read_configured(options.common.values, [&] {
        return tunnel::prepare_management(io, options.common.management, options.descriptor_limit,
                                          "remote-proxy", loaded);
    });
    std::optional<tunnel::StateFile> state;
    tunnel::Kept kept;
    if (!options.state_file.empty())
        kept = tunnel::read_configured(options.common.values,
                                       [&] { return state.emplace(options.state_file).read(); });
    if (options.trust.has_private_files() || options.common.management.has_private_files())
        tunnel::keep_memory_private();
    tunnel::enter_sandbox(options.common.sandbox,
                          {tunnel::files_to_read_again(options.common, options.trust),
                           options.common.management.socket_file(), options.state_file,
                           tunnel::opens_low_ports(options)});
    tunnel::must_be_allowed(options.common);
    std::optional<tunnel::ManagementServer::Trust> trust;
    std::optional<tunnel::RemoteOptions> fresh; // until the reload has gone well
    tunnel::RemoteProxy proxy(io, options, std::move(prepared), [&] {
        fresh = tunnel::reread_options(arguments.count, arguments.words, options);
        if (management)
            trust = tunnel::read_configured(fresh->common.values, [&] {
                return management->server.read_trust(fresh->common.management);
            });
        return *fresh;
    });
    proxy.restore(kept);
    if (state && proxy.kept() != kept)
        state->write_soon(io, proxy.kept());
    const auto reload_and_say = [&](tunnel::ReloadReport& report) {
        const bool success = proxy.reload(&report.problems);
        loaded->note_reload(success);
        if (!success)
            return false;
        report.changes = tunnel::finish_reload(options.common, fresh->common);
        options = std::move(*fresh);
        loaded->take_certificates(tunnel::certificates_shown(options));
        if (management)
            management->server.change(std::exchange(trust, std::nullopt));
        return true;
    };
    const auto reload = [&] {
        tunnel::ReloadReport logged;
        const std::size_t before = proxy.kept().tunnels.size();
        reload_and_say(logged);
        if (state && proxy.kept().tunnels.size() != before) // one has given way
            state->write_soon(io, proxy.kept());
    };
    asio::signal_set signals(io);
    tunnel::watch_signals(
        signals, {[&proxy] { proxy.stop_gently(); }, [&proxy] { proxy.stop_now(); }, reload,
                  [&proxy] { tunnel::log_status(proxy.status(), proxy.visitors()); }});
    std::optional<tunnel::FileWatch> watch;
    if (options.common.watch)
        watch.emplace(
            io, [&options] { return tunnel::files_to_watch(options.common, options.trust); },
            reload);
    proxy.start();
    if (management)
        management->server.start(tunnel::remote_management(
            {proxy, reload_and_say, state ? &*state : nullptr}, management->process));
    tunnel::print_ready(fmt::format("ready control={}{}",
                                    tunnel::to_string(proxy.control_endpoint()),
                                    outside_addresses(proxy)));
    warn_of_dangers(proxy);
    while (!proxy.stopped())
        proxy.run_some();
    if (management)
        management->server.stop();
    if (state)
        state->finish();
    io.poll(); // the last visitors' log lines
    return 0;
}

} // namespace

int main(int argc, char** argv)
{
    tunnel::RemoteOptions options;
    if (const auto code = tunnel::parse(argc, argv, options))
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
