#include <fmt/format.h>

#include "common/log.hpp"
#include "common/net/socket.hpp"
#include "common/process.hpp"
#include "remote-proxy/remote_proxy.hpp"

namespace {

int run(asio::io_context& io, const tunnel::RemoteOptions& options)
{
    tunnel::RemoteProxy proxy(io, options);
    asio::signal_set signals(io);
    tunnel::watch_signals(signals,
                          {[&proxy] { proxy.stop_gently(); }, [&proxy] { proxy.stop_now(); },
                           [] { tunnel::log::info("ignored SIGHUP"); }});
    proxy.start();
    tunnel::print_ready(fmt::format("ready control={} outside={}",
                                    tunnel::to_string(proxy.control_endpoint()),
                                    tunnel::to_string(proxy.outside_endpoint())));
    if (!proxy.control_endpoint().address().is_loopback())
        tunnel::log::warn("anyone who reaches the control address can act as the origin proxy, and "
                          "what passes between the proxies is not encrypted: let only the origin "
                          "proxy reach it",
                          {{"control", tunnel::to_string(proxy.control_endpoint())}});
    while (!proxy.stopped())
        proxy.run_some();
    io.poll(); // the last visitors' log lines
    return 0;
}

} // namespace

int main(int argc, char** argv)
{
    tunnel::RemoteOptions options;
    if (const auto code = tunnel::parse(argc, argv, options))
        return *code;
    tunnel::log::configure(options.common.log_level, options.common.log_format);
    options.descriptor_limit = tunnel::prepare_process();
    return tunnel::run_program([&options](asio::io_context& io) { return run(io, options); });
}
