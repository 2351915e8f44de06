// Arguments, each ended by a zero byte, the program's name first: both programs answer with what
// they were told or with their exit code.
#include <iostream>
#include <set>
#include <string>
#include <vector>

#include "origin-proxy/options/options.hpp"
#include "origin-proxy/options/parse_service.hpp"
#include "origin-proxy/options/remote_peers.hpp"
#include "remote-proxy/options/options.hpp"
#include "tests/fuzz/input.hpp"

using namespace tunnel;
using namespace tunnel::fuzz;

namespace {

std::vector<std::string> split(std::string_view text)
{
    std::vector<std::string> arguments;
    while (!text.empty()) {
        arguments.emplace_back(text.substr(0, text.find('\0')));
        text.remove_prefix(std::min(text.size(), arguments.back().size() + 1));
    }
    return arguments;
}

bool is_from(milliseconds lowest, milliseconds duration)
{
    return duration >= lowest && duration <= std::chrono::hours(10'000);
}

void check(const CommonOptions& options)
{
    constexpr milliseconds least(1);
    constexpr milliseconds none(0);
    constexpr milliseconds shortest_timeout(300);
    require(is_from(least, options.heartbeat_interval) &&
                is_from(shortest_timeout, options.heartbeat_timeout),
            "heartbeats take time");
    require(is_from(none, options.half_close_timeout) && is_from(none, options.idle_timeout) &&
                is_from(none, options.grace_period) && options.spin <= std::chrono::hours(10'000) &&
                options.spin >= none,
            "durations are within their limits");
    require(options.relay_threads >= 1 && options.relay_threads <= 64, "there are relay threads");
    require(options.log_level <= log::Level::debug && options.log_format <= log::Format::json,
            "the log is one of those that there are");
    require(relay_options(options, 1024).workers == options.relay_threads, "the relay is told");
}

void check(const Address& address)
{
    require(parse_address(to_string(address)) == address, "an address is one");
}

void check(const RemoteOptions& options)
{
    check(options.common);
    check(options.control_address);
    if (options.outside_address)
        check(*options.outside_address);
    require(options.outside_address || !options.services.empty() || !options.allow_ports.empty() ||
                !options.fronts.https.empty() || options.common.management.address,
            "there is something to serve, or may be");
    require(is_from(milliseconds(1), options.pairing_timeout), "pairing takes time");
    require(options.max_waiting >= 1 && options.max_waiting <= 12'000, "some may wait");
}

void check_remote_proxies(const OriginOptions& options)
{
    std::set<std::string> addresses;
    for (const RemotePeer& each : options.remote_proxies) {
        check(each.address);
        require(addresses.insert(to_string(each.address)).second, "a remote proxy is there once");
    }
    require(!addresses.empty() && addresses.size() <= most_remote_proxies, "so many are allowed");
}

void check(const OriginOptions& options)
{
    check(options.common);
    check_remote_proxies(options);
    require(options.origin_server_address == ServerAddress() ||
                read_server_address(to_string(options.origin_server_address)) ==
                    options.origin_server_address,
            "a server's address is one");
    require(is_from(milliseconds(1), options.dial_timeout), "dialling takes time");
    require(options.services.empty() || options.origin_server_address == ServerAddress(),
            "there is one server, or services");
    require(contradiction(options.services).empty(), "services do not contradict each other");
    require(options.parked_connections.value_or(0) <= 256, "not too many are parked");
}

// All that a command needs.
void check_asking(const CommonOptions& options)
{
    check(options);
    require(options.management.address.has_value(), "it is known whom to ask");
    require(!options.command.word.starts_with('d') || !options.command.name.empty(),
            "drain has been told whom");
}

template <class Options>
void parse_and_check(const std::vector<std::string>& arguments)
{
    std::vector<const char*> pointers;
    for (const std::string& argument : arguments)
        pointers.push_back(argument.c_str());
    const auto count = static_cast<int>(pointers.size());
    pointers.push_back(nullptr); // as main() gets them
    Options options;
    const auto code = parse(count, pointers.data(), options);
    if (!code && options.common.command.is_given())
        check_asking(options.common);
    else if (!code)
        check(options);
    else if (*code == 0)
        require(count > 1, "only a flag or a command makes a program end well");
    else
        require(*code == 2, "a wrong command line has its own exit code");
}

} // namespace

// What the programs print is of no use here; what libFuzzer and sanitizers print still is.
extern "C" int LLVMFuzzerInitialize(int*, char***)
{
    stderr = std::fopen("/dev/null", "w"); // glibc lets it be set; libFuzzer has taken its copy
    stdout = stderr;
    std::cout.rdbuf(nullptr);
    return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const auto arguments = split(Input(data, size).text());
    if (arguments.empty()) // no shell starts a program without a name
        return 0;
    if (arguments[0].starts_with('o'))
        parse_and_check<OriginOptions>(arguments);
    else
        parse_and_check<RemoteOptions>(arguments);
    return 0;
}
