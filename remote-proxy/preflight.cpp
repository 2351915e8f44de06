#include "remote-proxy/preflight.hpp"

#include <vector>

#include <fmt/format.h>

#include "common/base/log.hpp"
#include "common/commands/preflight.hpp"
#include "common/files/file_source.hpp"
#include "common/options/option_values.hpp"
#include "common/security/served_certificates.hpp"
#include "common/transport/socket.hpp"
#include "remote-proxy/fronts/reception.hpp"
#include "remote-proxy/management/state_file.hpp"
#include "remote-proxy/options/configuration.hpp"
#include "remote-proxy/trust/trusted_origins.hpp"

namespace tunnel {

namespace {

std::vector<ListenAddress> addresses_of(const RemoteOptions& options)
{
    std::vector<ListenAddress> all;
    for (const Listening& each : program_addresses(options))
        all.push_back({each.name, each.addresses.first});
    const auto& management = options.common.management.address;
    if (management && management->path.empty())
        all.push_back({"management-addr", management->address});
    for (const RemoteService& each : options.services) {
        if (each.names.given())
            continue;
        all.push_back({fmt::format("service {}", each.name), each.outside_address});
    }
    return all;
}

// The pages in the folder of --error-pages, by the names under which they are read. An empty name:
// none was given.
std::vector<std::filesystem::path> pages_in(const std::string& folder)
{
    constexpr std::size_t most_pages = 64;
    std::vector<std::filesystem::path> pages;
    if (folder.empty())
        return pages;
    for (const std::string& name : files().names_in(folder)) {
        if (name.ends_with(".html") && pages.size() < most_pages)
            pages.emplace_back(fmt::format("{}/{}", folder, name));
    }
    return pages;
}

// A service of the options is there without one too, but has no visitors.
void must_have_certificates(const RemoteService& service, const ServedCertificates& served)
{
    if (service.names.kind != ServiceKind::https)
        return;
    for (const std::string& host : service.names.hosts) {
        if (!served.covers(host))
            throw WrongConfiguration(
                fmt::format("service {}: there is no certificate for {} in the folders of "
                            "--certificates",
                            service.name, host));
    }
}

} // namespace

std::vector<std::filesystem::path> files_of(const RemoteOptions& options)
{
    auto all = files_to_read_again(options.common);
    for (auto& each : certificate_files(options.fronts.certificates))
        all.push_back(std::move(each));
    for (auto& each : pages_in(options.fronts.error_pages))
        all.push_back(std::move(each));
    return all;
}

void must_not_collide(asio::io_context& io, const RemoteOptions& options)
{
    must_not_collide(io, addresses_of(options));
}

void warn_that_anyone_may_log_in(const asio::ip::tcp::endpoint& control)
{
    log::warn(control.address().is_loopback()
                  ? "there is no secret: whoever can connect to the control address may act as the "
                    "origin proxy"
                  : "THERE IS NO SECRET, AND OTHER MACHINES REACH THE CONTROL ADDRESS: any of them "
                    "may act as the origin proxy and answer your visitors; make one with: "
                    "remote-proxy gen-secret > FILE, and give both proxies --secret-file FILE",
              {{"control", to_string(control)}});
}

void check_start(const RemoteOptions& options)
{
    asio::io_context io(1);
    Preflight preflight(options.common);
    preflight.attempt([&] {
        if (!TrustedOrigins(options.trust).trusts_anyone())
            return;
        try {
            warn_that_anyone_may_log_in(endpoint_to_listen(io, options.control_address));
        } catch (const std::system_error&) { // told below, with the option
        }
    });
    preflight.attempt([read = options]() mutable { read_logins(read); });
    preflight.attempt([&] { must_not_collide(io, options); });
    const auto look_at = [&](const std::string& option, const Address& address) {
        preflight.attempt(
            [&] { listen_for(option, [&] { must_be_of_this_machine(io, address); }); });
    };
    look_at("--control-addr", options.control_address);
    if (options.outside_address)
        look_at("--outside-addr", *options.outside_address);
    std::string latest_host = options.control_address.host;
    for (const Address& each : options.fronts.https)
        look_at("--https-addr", each);
    for (const Address& each : options.fronts.http)
        look_at("--http-addr", each);
    for (const RemoteService& each : options.services) {
        if (each.names.given())
            continue;
        if (each.outside_address.host != latest_host) // else there may be a thousand
            look_at("service " + each.name, each.outside_address);
        latest_host = each.outside_address.host;
    }
    preflight.look_at_common_options(io);
    if (!options.fronts.certificates.empty())
        preflight.attempt([&] {
            const auto served = ServedCertificates::load(options.fronts.certificates,
                                                         std::make_shared<TicketKeys>());
            for (const std::string& concern : served->concerns())
                log::warn("certificates", {{"concern", concern}});
            for (const RemoteService& each : options.services)
                must_have_certificates(each, *served);
        });
    preflight.attempt([&] { Reception::read_pages(options.fronts.error_pages); });
    if (!options.state_file.empty())
        preflight.attempt([&] { StateFile(options.state_file).read(); });
    preflight.become_user(opens_low_ports(options));
    if (!options.state_file.empty())
        preflight.attempt([&] { StateFile(options.state_file).must_be_replaceable(); });
    preflight.enter_sandbox({.removed = options.common.management.socket_file(),
                             .replaced = options.state_file,
                             .low_ports = opens_low_ports(options),
                             .readable = options.fronts.acme_webroot});
    preflight.finish();
}

} // namespace tunnel
