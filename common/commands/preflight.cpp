#include "common/commands/preflight.hpp"

#include <filesystem>
#include <map>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

#include "common/base/error.hpp"
#include "common/management/access.hpp"
#include "common/management/management_listener.hpp"
#include "common/options/option_values.hpp"
#include "common/sandbox/sandbox.hpp"
#include "common/sandbox/user.hpp"
#include "common/security/handshake.hpp"
#include "common/transport/listen_hosts.hpp"
#include "common/transport/listener.hpp"

namespace tunnel {

namespace {

// An IPv4 address may be written as an IPv6 address.
asio::ip::address unmapped(const asio::ip::address& address)
{
    if (address.is_v6() && address.to_v6().is_v4_mapped())
        return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
    return address;
}

// [::] takes IPv4 too.
bool collide(const asio::ip::address& one, const asio::ip::address& other)
{
    const auto covers = [](const asio::ip::address& wide, const asio::ip::address& narrow) {
        return wide.is_unspecified() && (wide.is_v6() || narrow.is_v4());
    };
    return one == other || covers(one, other) || covers(other, one);
}

// It is not made before the start.
void must_be_appendable(const std::string& path)
{
    const bool is_there = ::access(path.c_str(), F_OK) == 0;
    const std::string folder = std::filesystem::absolute(path).parent_path().string();
    if (is_there ? ::access(path.c_str(), W_OK) != 0 : ::access(folder.c_str(), W_OK | X_OK) != 0)
        fail(last_error(), fmt::format("cannot write the log file {}", path));
}

} // namespace

void Preflight::attempt(const std::function<void()>& step)
{
    try {
        step();
    } catch (const std::runtime_error& error) {
        problems_ += (problems_.empty() ? "" : "\n") + name_option(error.what(), options_.values);
    }
}

void Preflight::look_at_common_options(asio::io_context& io)
{
    const ManagementOptions& management = options_.management;
    attempt([&] { const Tokens tokens(management); });
    if (management.certificate.given())
        attempt([&] { TlsContext::accepts(management.certificate, management.client_ca_file); });
    const auto look_at_address = [&](const std::function<void()>& look) {
        attempt([&] { listen_for("--management-addr", look); });
    };
    if (!options_.log_file.empty())
        attempt([this] { must_be_appendable(options_.log_file); });
    look_at_address([&] { must_be_possible(io, management); });
    if (management.address && management.address->path.empty())
        look_at_address([&] { must_be_of_this_machine(io, management.address->address); });
    if (!options_.user)
        return;
    attempt([this] {
        const User user = find_user(*options_.user);
        const bool could_be_right = user.user != 0 && ::geteuid() != 0; // once root starts it
        if (const std::string why = could_be_right ? "" : objection_to_becoming(user); !why.empty())
            throw std::runtime_error(why);
    });
}

void Preflight::become_user(bool low_ports)
{
    if (problems_.empty() && options_.user && ::geteuid() == 0)
        attempt([&] { become(find_user(*options_.user), low_ports); });
}

// A sandbox that is not required is entered only for what depends on it: parts that are missing are
// for the program that runs to tell.
void Preflight::enter_sandbox(const SandboxNeeds& needs)
{
    const Sandbox sandbox = options_.sandbox;
    const bool wanted =
        sandbox == Sandbox::required || (sandbox == Sandbox::on && options_.congestion.is_named());
    if (problems_.empty() && wanted && (sandbox == Sandbox::required || sandbox_is_built()))
        attempt([&] { tunnel::enter_sandbox(sandbox, needs); });
    attempt([this] { must_be_allowed(options_); });
}

void Preflight::finish() const
{
    if (!problems_.empty())
        throw WrongConfiguration(problems_);
}

void must_not_collide(asio::io_context& io, const std::vector<ListenAddress>& all)
{
    ListenHosts hosts(io);
    using Taken = std::pair<asio::ip::address, const ListenAddress*>;
    std::map<std::uint16_t, std::vector<Taken>> taken; // by their ports
    std::string problems;
    for (const ListenAddress& each : all) {
        if (each.address.port == 0)
            continue;
        asio::ip::address address;
        try {
            address = unmapped(hosts.endpoint(each.address).address());
        } catch (const std::system_error&) { // whoever listens there says so
            continue;
        }
        auto& others = taken[each.address.port];
        for (const auto& [other, whose] : others) {
            if (!collide(address, other))
                continue;
            problems +=
                fmt::format("{}{} {} is taken by {} {}: give each a port of its own",
                            problems.empty() ? "" : "\n", each.option, to_string(each.address),
                            whose->option, to_string(whose->address));
            break;
        }
        others.emplace_back(address, &each);
    }
    if (!problems.empty())
        throw WrongConfiguration(problems);
}

void must_be_of_this_machine(asio::io_context& io, const Address& address)
{
    try {
        const Listener any_port(io, endpoint_to_listen(io, {address.host, 0}), Congestion::off(),
                                Hop::edge);
    } catch (const std::system_error& error) { // it names port 0
        fail(error.code(), fmt::format("cannot listen on {}", to_string(address)));
    }
}

} // namespace tunnel
