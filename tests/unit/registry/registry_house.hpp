// A registry whose effects are done by a world of ports, without any I/O.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "common/base/error.hpp"
#include "remote-proxy/registry/offer_answers.hpp"
#include "remote-proxy/registry/registry.hpp"

namespace tunnel {

struct RegistryHouse {
    RegistryHouse()
    {
        OfferRules rules;
        rules.allow_ports = {{"roof", {{7000, 7009}}}, {"cellar", {{7000, 7009}}}};
        rules.own_address = asio::ip::address_v4::any();
        rules.most_services = 100;
        rules.probe_timeout = std::chrono::seconds(2);
        rules.pairing_timeout = std::chrono::seconds(10);
        rules.heartbeat_interval = std::chrono::seconds(5);
        rules.names.domain = "d.example";
        rules.names.where = at(443);
        rules.names.has_front = true;
        rules.names.has_http_front = true;
        rules.names.has_certificate = [this](std::string_view host) {
            return !uncertified.contains(host);
        };
        rules.names.random_label = [this] { return "random" + std::to_string(++labels); };
        rules.names.kept_for = rules.pairing_timeout;
        registry.change_rules(rules);
    }

    // A reload that changes what the options say of names.
    template <class Change>
    void reloads(const Change& change)
    {
        OfferRules rules = registry.rules();
        change(rules.names);
        registry.change_rules(rules);
        answers.reconsider_all();
        settle();
    }

    // Logs in, and is known by its number from now on.
    std::uint64_t comes(const std::string& credential, const std::string& own_name = {})
    {
        RegisteredOrigin origin{++latest,
                                std::make_shared<OriginName>(credential, false, own_name)};
        origin.credential = credential;
        origin.address = "192.0.2.1:1";
        origin.offers_services = true;
        registry.log_in(std::move(origin));
        return latest;
    }

    void leaves(std::uint64_t link, const std::string& goodbye = {})
    {
        registry.log_out(link, {goodbye}, now);
        settle();
    }

    void offers(std::uint64_t link, const std::string& name, const std::string& wanted = {},
                std::uint64_t number = 1)
    {
        answers.offer(link, {name, wanted, number}, now);
        settle();
    }

    // Visitors are to come by these names.
    void claims(std::uint64_t link, const std::string& name, ServiceKind kind,
                std::vector<std::string> hosts, std::uint64_t number = 1)
    {
        answers.offer(link, {name, {}, number, {kind, std::move(hosts)}}, now);
        settle();
    }

    void withdraws(std::uint64_t link, const std::string& name)
    {
        registry.withdraw(link, name, now);
        settle();
    }

    // It answers, whatever it says.
    void answers_probe(std::uint64_t link)
    {
        registry.heard(link, now);
        settle();
    }

    void passes(std::chrono::milliseconds time)
    {
        now += time;
        for (const auto& service : registry.outages_over(now)) {
            registry.shut(*service);
            registry.end_outage(service, now);
        }
        registry.expire(now, false);
        settle();
    }

    // A service that the options name.
    RegisteredServicePointer has(const std::string& name, std::uint16_t port,
                                 std::vector<std::string> origins = {})
    {
        RemoteService options{name, {"0.0.0.0", port}};
        options.origins = std::move(origins);
        taken.insert(port);
        return registry.add(std::move(options), at(port));
    }

    // One with names.
    RegisteredServicePointer has(const std::string& name, PublicNames names,
                                 std::vector<std::string> origins = {})
    {
        RemoteService options{name, {}};
        options.names = std::move(names);
        options.origins = std::move(origins);
        return registry.add(std::move(options), registry.rules().names.where);
    }

    RegisteredServicePointer has_tunnel(std::uint16_t port, const std::string& client,
                                        const std::string& service)
    {
        PublicTunnel tunnel{false, asio::ip::address_v4::any(), "", port, service, client};
        RemoteService options{tunnel.key(), {"0.0.0.0", port}};
        options.origins = {client};
        options.offered_as = service;
        taken.insert(port);
        const auto added = registry.add(std::move(options), at(port), nullptr, tunnel);
        settle();
        return added;
    }

    void closes(const RegisteredServicePointer& service)
    {
        registry.close(service, "gone", now);
        settle();
    }

    // Does all that the registry wants, and goes on with what follows.
    void settle()
    {
        do {
            while (const auto effect = registry.next_effect()) {
                ++effects;
                std::visit([this](const auto& each) { perform(each); }, *effect);
            }
        } while (answers.consider_next(now) || answers.consider_later(now));
    }

    // What it was told last: "opened ADDRESS", or the text of the refusal; empty: nothing yet.
    std::string told(std::uint64_t link)
    {
        if (frames[link].empty())
            return {};
        if (const auto* const opened = std::get_if<Opened>(&frames[link].back()))
            return "opened " + opened->outside_address;
        return std::get<Declined>(frames[link].back()).text;
    }

    DeclineReason reason(std::uint64_t link)
    {
        return std::get<Declined>(frames[link].back()).reason;
    }

    // The service that visitors find under this name; empty: none.
    std::string with_host(const std::string& host, ServiceKind kind = ServiceKind::tls) const
    {
        const auto service = registry.services().with_host(kind, host);
        return service ? service->options.name : std::string();
    }

    std::vector<std::string> names() const
    {
        std::vector<std::string> all;
        for (const auto& [name, service] : registry.services())
            all.push_back(name);
        return all;
    }

    static tcp::endpoint at(std::uint16_t port) { return {asio::ip::address_v4::any(), port}; }

    Registry registry;
    OfferAnswers answers{registry};
    Clock::time_point now{std::chrono::hours(1)};
    std::uint64_t latest = 0;
    std::set<std::uint16_t> taken;                      // ports, by services or others
    std::set<std::uint16_t> cannot_open;                // those of them that take no connections
    std::size_t effects = 0;                            // so far
    std::size_t searches = 0;                           // for any port
    std::size_t labels = 0;                             // that were made up
    std::set<std::string, std::less<>> uncertified;     // hosts without a certificate
    std::map<std::uint64_t, std::vector<Frame>> frames; // by links
    std::vector<std::uint64_t> asked;
    std::vector<std::uint64_t> dropped;     // silent or dismissed
    std::vector<std::string> closed;        // names of services
    std::map<std::uint64_t, Report> report; // the latest, by links

private:
    void perform(const effect::Listen& wanted)
    {
        std::vector<std::uint16_t> ports{wanted.where.port()};
        if (!wanted.any_of.empty()) {
            ++searches;
            ports.clear();
            for (unsigned port = wanted.any_of[0].first; port <= wanted.any_of[0].last; ++port)
                ports.push_back(static_cast<std::uint16_t>(port));
        }
        for (const std::uint16_t port : ports) {
            if (taken.insert(port).second) {
                if (answers.listening(at(port), now))
                    answers.go_on(now);
                return;
            }
        }
        answers.cannot_listen(in_use(), now);
    }

    void perform(const effect::Route& wanted)
    {
        const bool is_http = wanted.kind == ServiceKind::http;
        if (answers.listening(is_http ? at(80) : registry.rules().names.where, now))
            answers.go_on(now);
    }

    void perform(const effect::Open& wanted)
    {
        if (cannot_open.contains(wanted.service->where.port()))
            answers.cannot_listen(in_use(), now);
        else
            answers.opened(now);
    }

    void perform(const effect::Close& closing)
    {
        if (closing.service->has_address())
            taken.erase(closing.service->where.port());
        closed.push_back(closing.service->options.name);
    }

    void perform(const effect::Tell& telling)
    {
        frames[telling.link].push_back(telling.frame);
        report[telling.link] = telling.report;
    }

    void perform(const effect::Ask& asking)
    {
        if (asking.is_wanted)
            asked.push_back(asking.link);
    }

    void perform(const effect::Drop& dropping)
    {
        dropped.push_back(dropping.link);
        registry.log_out(dropping.link, {"", true}, now);
    }

    template <class Other>
    void perform(const Other&)
    {
    }

    static std::system_error in_use()
    {
        return {make_error_code(std::errc::address_in_use), "cannot listen"};
    }
};

} // namespace tunnel
