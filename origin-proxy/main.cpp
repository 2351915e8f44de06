#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "common/file_watch.hpp"
#include "common/loaded.hpp"
#include "common/log.hpp"
#include "common/management/server.hpp"
#include "common/net/socket.hpp"
#include "common/process.hpp"
#include "common/reload.hpp"
#include "common/sandbox.hpp"
#include "origin-proxy/commands.hpp"
#include "origin-proxy/management.hpp"
#include "origin-proxy/origin_proxy.hpp"
#include "origin-proxy/status_log.hpp"

namespace {

// Where visitors connect to, as far as it can be known from here: a remote proxy that listens on
// all its addresses is reached by the name that was given for it.
std::string public_address(const tunnel::Address& remote_proxy, const std::string& outside)
{
    auto address = tunnel::parse_address(outside);
    if (!address)
        return tunnel::log::escape(outside);
    if (address->host == "0.0.0.0" || address->host == "::")
        address->host = remote_proxy.host;
    return to_string(*address);
}

std::string ready_line(const tunnel::OriginOptions& options, const tunnel::Address& remote_proxy,
                       const asio::ip::tcp::endpoint& remote,
                       const std::vector<tunnel::Opened>& opened)
{
    std::string line = fmt::format("ready remote={}", tunnel::to_string(remote));
    const bool is_one = opened.size() == 1 && opened[0].service == tunnel::default_service;
    if (options.services.empty() && is_one) // else they were changed before the first log-in
        return line + fmt::format(" origin={} outside={}",
                                  tunnel::log::escape(to_string(options.origin_server_address)),
                                  public_address(remote_proxy, opened[0].outside_address));
    for (const tunnel::Opened& each : opened)
        line +=
            fmt::format(" {}={}", each.service, public_address(remote_proxy, each.outside_address));
    return line;
}

int run(asio::io_context& io, const tunnel::OriginOptions& options, tunnel::Arguments arguments)
{
    std::vector<tunnel::TrustedRemote> trust = tunnel::read_configured(
        options.common.values, [&] { return tunnel::trusted_remotes(options); });
    const auto loaded = std::make_shared<tunnel::Loaded>(io);
    loaded->take_certificates(options.certificates_shown());
    auto management = tunnel::read_configured(options.common.values, [&] {
        return tunnel::prepare_management(io, options.common.management, options.descriptor_limit,
                                          "origin-proxy", loaded);
    });
    // A reload may name a secret where there was none, and inside the sandbox it would be too late.
    if (options.has_private_files() || options.common.management.has_private_files() ||
        !options.common.files.top.empty())
        tunnel::keep_memory_private();
    tunnel::enter_sandbox(options.common.sandbox,
                          {options.files_to_read_again(), options.common.management.socket_file()});
    tunnel::must_be_allowed(options.common);
    auto latest = options;
    const auto on_ready = [&latest](const tunnel::Address& remote_proxy,
                                    const asio::ip::tcp::endpoint& remote,
                                    const std::vector<tunnel::Opened>& opened) {
        tunnel::print_ready(ready_line(latest, remote_proxy, remote, opened));
    };
    tunnel::OriginProxy proxy(io, options, std::move(trust), on_ready);
    const auto reload_and_say = [&](tunnel::ReloadReport& report) {
        const bool success = tunnel::reload_or_complain(report.problems, [&] {
            auto fresh = tunnel::reread_options(arguments.count, arguments.words, latest);
            std::optional<tunnel::ManagementServer::Trust> fresh_trust;
            tunnel::read_configured(fresh.common.values, [&] { // all that may fail comes first
                if (management)
                    fresh_trust = management->server.read_trust(fresh.common.management);
                proxy.reload(fresh);
            });
            report.changes = tunnel::finish_reload(latest.common, fresh.common);
            latest = std::move(fresh);
            if (management)
                management->server.change(std::move(fresh_trust));
            loaded->take_certificates(latest.certificates_shown());
        });
        loaded->note_reload(success);
        return success;
    };
    const auto reload = [&] {
        tunnel::ReloadReport logged;
        reload_and_say(logged);
    };
    asio::signal_set signals(io);
    tunnel::watch_signals(signals,
                          {[&proxy] { proxy.stop_gently(); }, [&proxy] { proxy.stop_now(); },
                           reload, [&proxy] { tunnel::log_status(proxy.status()); }});
    std::optional<tunnel::FileWatch> watch;
    if (options.common.watch)
        watch.emplace(
            io, [&latest] { return latest.files_to_watch(); }, reload);
    proxy.start();
    if (management)
        management->server.start(tunnel::origin_management([&proxy] { return proxy.status(); },
                                                           reload_and_say, management->process));
    while (!proxy.stopped())
        proxy.run_some();
    if (management)
        management->server.stop();
    io.poll(); // the last visitors' log lines
    return proxy.gave_up() ? 1 : 0;
}

} // namespace

int main(int argc, char** argv)
{
    tunnel::OriginOptions options;
    if (const auto code = tunnel::parse(argc, argv, options))
        return *code;
    tunnel::start_log(options.common);
    if (options.common.command.is_given())
        return tunnel::ask_origin_proxy(options.common.command, options.common.management);
    options.descriptor_limit =
        tunnel::descriptors_beside_management(tunnel::prepare_process(), options.common.management);
    return tunnel::run_program([&options, argc, argv](asio::io_context& io) {
        return run(io, options, {argc, argv});
    });
}
