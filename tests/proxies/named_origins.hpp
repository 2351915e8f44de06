// A remote proxy with several services, and origin proxies played by hand that have names.
#pragma once

#include <doctest/doctest.h>

#include <concepts>
#include <random>

#include <fmt/format.h>

#include "common/options/outside.hpp"
#include "tests/support/stream_frames.hpp"
#include "tests/support/temporary_file.hpp"
#include "tests/support/trusted.hpp"

namespace tunnel::test {

inline const Address any_port{"127.0.0.1", 0};

inline RemoteService service(std::string name, std::vector<std::string> origins = {})
{
    return {std::move(name), any_port, std::move(origins)};
}

// Knows two origin proxies, who are called roof and cellar.
struct Remote {
    explicit Remote(std::vector<RemoteService> services,
                    std::map<std::string, PortRanges> ports = {},
                    std::optional<std::size_t> descriptor_limit = {},
                    std::optional<milliseconds> probe_timeout = {})
        : options([&] {
              RemoteOptions all = remote_options();
              all.trust.secrets_file = file.path();
              all.trust.encryption = Encryption::off;
              all.services = std::move(services);
              all.max_waiting = 100;
              all.allow_ports = std::move(ports);
              all.descriptor_limit = descriptor_limit.value_or(all.descriptor_limit);
              all.probe_timeout = probe_timeout.value_or(all.probe_timeout);
              all.outside_address = std::nullopt;
              if (all.services.empty())
                  all.outside_address = any_port;
              return all;
          }())
    {
    }

    // Without services, and with what `change` makes of the options.
    template <std::invocable<RemoteOptions&> Change>
    explicit Remote(const Change& change)
        : options([&] {
              RemoteOptions all = remote_options();
              all.trust.secrets_file = file.path();
              all.trust.encryption = Encryption::off;
              all.outside_address = std::nullopt;
              change(all);
              return all;
          }())
    {
    }

    // The first address that services share.
    tcp::endpoint front()
    {
        return proxy.on_its_thread([](RemoteProxy& remote) { return remote.fronts(); })
            .front()
            .second;
    }

    tcp::endpoint outside(const std::string& name)
    {
        for (const auto& [each, address] :
             proxy.on_its_thread([](RemoteProxy& remote) { return remote.outside_addresses(); })) {
            if (each == name)
                return numeric_endpoint(address);
        }
        throw std::runtime_error("no service " + name);
    }

    // What is wrong with the options as they are now; empty: nothing, they hold.
    std::string reload() { return test::reload(proxy, options); }

    std::size_t visitors()
    {
        return proxy.on_its_thread([](RemoteProxy& remote) { return remote.visitors(); });
    }

    std::string roof_secret = generate_secret();
    std::string cellar_secret = generate_secret();
    Credential roof = parse_secret(roof_secret, "");
    Credential cellar = parse_secret(cellar_secret, "");
    TemporaryFile file{
        fmt::format("[origins.roof]\nsecret = \"{}\"\n[origins.cellar]\nsecret = \"{}\"\n",
                    roof_secret, cellar_secret)};
    RemoteOptions options;
    RunningRemote proxy{options};
};

struct Origin : ProvingOrigin {
    Origin(Remote& to, const Credential& secret, bool parks = false, OriginId id = {random_bytes()})
        : ProvingOrigin(to.proxy.proxy().control_endpoint(), secret, parks, true, id), remote(to)
    {
    }

    Origin(Remote& to, const Credential& secret, std::string name, OriginId id)
        : ProvingOrigin(to.proxy.proxy().control_endpoint(), secret, false, true, id,
                        std::move(name)),
          remote(to)
    {
    }

    void offer(const std::string& name, const std::string& outside = {})
    {
        control.send(Offer{name, outside});
    }

    void offer_names(const std::string& name, PublicNames names)
    {
        control.send(Offer{name, {}, 0, std::move(names)});
    }

    // By "https://app", say.
    Opened routed(const std::string& name, const std::string& outside)
    {
        offer_names(name, read_outside(outside).names);
        return control.receive_frame<Opened>();
    }

    Declined not_routed(const std::string& name, const std::string& outside)
    {
        offer_names(name, read_outside(outside).names);
        return control.receive_frame<Declined>();
    }

    Opened opened(const std::string& name, const std::string& outside = {})
    {
        offer(name, outside);
        return control.receive_frame<Opened>();
    }

    Declined declined(const std::string& name, const std::string& outside = {})
    {
        offer(name, outside);
        return control.receive_frame<Declined>();
    }

    // The data connection for the visitor that is announced next.
    Stream serve() { return answer(control.receive_frame<Announce>().ticket); }

    Stream answer(const Ticket& ticket)
    {
        Stream data = Stream::connect(remote.proxy.proxy().control_endpoint());
        data.send(magic_bytes() + encode(dial_back(ticket)) + start_frame);
        return data;
    }

    Remote& remote;
};

// Bytes go both ways.
inline void check_served(Stream& visitor, Stream& data)
{
    visitor.send("up");
    CHECK(data.receive(5) == data_frame("up"));
    data.send(data_frame("down"));
    CHECK(visitor.receive(4) == "down");
}

// Both serve "web", and the first visitor goes to roof.
struct RoofAndCellar {
    explicit RoofAndCellar(RemoteService web = service("web")) : remote({std::move(web)})
    {
        roof.opened("web");
        cellar.opened("web");
    }

    Stream visit() { return Stream::connect(remote.outside("web")); }

    Remote remote;
    Origin roof{remote, remote.roof};
    Origin cellar{remote, remote.cellar};
};

// A port that is free, and the range of it alone. Not out of those from which the kernel takes the
// ports of outgoing connections, of which other tests make many meanwhile.
inline std::pair<std::uint16_t, PortRanges> some_port()
{
    std::random_device random;
    for (;;) {
        const auto port = static_cast<std::uint16_t>(18'000 + random() % 14'000);
        try {
            const Server probe(tcp::endpoint(asio::ip::address_v4::loopback(), port));
            return {port, {{port, port}}};
        } catch (const std::system_error&) { // it is taken
        }
    }
}

inline tcp::endpoint endpoint_of(const Opened& opened)
{
    const Address address = parse_address(opened.outside_address).value();
    return {asio::ip::make_address(address.host), address.port};
}

inline bool is_refused(const tcp::endpoint& endpoint)
{
    try {
        Stream::connect(endpoint);
    } catch (const std::system_error& error) {
        return error.code() == std::errc::connection_refused;
    }
    return false;
}

} // namespace tunnel::test
