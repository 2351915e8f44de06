#include "tests/support/proxies.hpp"

#include <doctest/doctest.h>

using namespace std::chrono_literals;

namespace tunnel::test {

tcp::endpoint numeric_endpoint(const std::string& address)
{
    const Address parsed = parse_address(address).value();
    return {asio::ip::make_address(parsed.host), parsed.port};
}

RemoteOptions remote_options()
{
    RemoteOptions options;
    options.control_address = {"127.0.0.1", 0};
    options.outside_address = Address{"127.0.0.1", 0};
    options.pairing_timeout = 5s;
    options.handshake_timeout = 5s;
    options.probe_timeout = 200ms;
    options.common.heartbeat_interval = 1s;
    options.common.heartbeat_timeout = 5s;
    options.common.grace_period = 5s;
    options.common.relay_threads = 2; // on any machine: its descriptors count
    options.descriptor_limit = 20'000;
    return options;
}

OriginOptions origin_options(const tcp::endpoint& remote, const tcp::endpoint& origin_server)
{
    OriginOptions options;
    options.remote_proxies = {{{remote.address().to_string(), remote.port()}}};
    options.origin_server_address = {origin_server.address().to_string(), origin_server.port()};
    options.first_retry = 10ms;
    options.slowest_retry = 50ms;
    options.parked_for = 200ms;
    options.common.heartbeat_interval = 1s;
    options.common.heartbeat_timeout = 5s;
    options.common.grace_period = 5s;
    options.descriptor_limit = 20'000;
    return options;
}

void check_turns([[maybe_unused]] const AllTurns& turns)
{
#ifdef NDEBUG
    for (const ThreadTurns& each : turns) {
        CAPTURE(each.thread);
        CHECK(each.longest_cpu <= TurnWatch::limit);
    }
#endif
}

std::string reload(RunningRemote& remote, const RemoteOptions& options)
{
    return remote.on_its_thread([&options](RemoteProxy& proxy) -> std::string {
        try {
            proxy.reload(options);
            return {};
        } catch (const std::runtime_error& error) {
            return error.what();
        }
    });
}

HandPlayedOrigin::HandPlayedOrigin(const tcp::endpoint& remote, OriginId origin,
                                   const std::function<void(LogIn&)>& change)
    : control(Stream::connect(remote)), id(origin)
{
    LogIn log_in;
    log_in.program_version = "by-hand";
    log_in.origin = id;
    log_in.heartbeat_timeout = 10s;
    if (change)
        change(log_in);
    control.send(magic_bytes() + encode(log_in));
}

HandPlayedOrigin logged_in(const RunningRemote& remote, OriginId origin)
{
    HandPlayedOrigin played(remote.proxy().control_endpoint(), origin);
    Frame frame = played.control.receive_frame();
    while (std::holds_alternative<Notice>(frame)) // a former one's end is about to be noticed
        frame = played.control.receive_frame();
    std::get<Welcome>(frame);
    return played;
}

Stream dial_back(const tcp::endpoint& remote, const Ticket& ticket)
{
    Stream data = Stream::connect(remote);
    data.send(magic_bytes() + encode(DialBack{ticket}));
    return data;
}

Announce announcement()
{
    return {Ticket{random_bytes()}, "198.51.100.1:1234", std::string(default_service)};
}

std::string magic_bytes()
{
    return {magic.begin(), magic.end()};
}

} // namespace tunnel::test
