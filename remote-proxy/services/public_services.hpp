// The services of the remote proxy, with their listeners: what the registry decides is done here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "common/base/alarm.hpp"
#include "common/base/asio.hpp"
#include "common/base/task_group.hpp"
#include "common/management/events.hpp"
#include "common/protocol/frame.hpp"
#include "remote-proxy/fronts/fronts.hpp"
#include "remote-proxy/options/options.hpp"
#include "remote-proxy/origins/capacity.hpp"
#include "remote-proxy/origins/origin_links.hpp"
#include "remote-proxy/registry/offer_answers.hpp"
#include "remote-proxy/registry/registry.hpp"
#include "remote-proxy/trust/trusted_origins.hpp"
#include "remote-proxy/visitors/service.hpp"
#include "remote-proxy/visitors/tallies.hpp"
#include "remote-proxy/visitors/visitors.hpp"

namespace tunnel {

// The services that the options name, with the one that needs no name.
std::vector<RemoteService> services_of(const RemoteOptions& options);

// Tells the registry what happens, and does what it wants done.
class PublicServices {
public:
    // What is used here and belongs to others. All of it must outlive this.
    struct Uses {
        asio::io_context& io;
        const RemoteOptions& options;
        const TrustedOrigins& trust;
        Capacity& capacity;
        OriginLinks& links;
        Visitors& visitors;
        Fronts& fronts;
        Tallies& tallies;
        Alarm& alarm;
        EventHub& events;
        TaskGroup& tasks;
    };

    // A service that there is to be.
    struct Wanted {
        RemoteService options;
        std::optional<PublicTunnel> tunnel{}; // if the management interface wants it
    };

    // One that there is not, for want of its address.
    struct Missing {
        std::string name;
        std::system_error error;
    };

    explicit PublicServices(Uses uses);

    const Registry& registry() const { return registry_; }

    // Whether visitors can connect to it.
    bool is_open(const PublicService& service) const { return fronts_.is_open(service); }

    // Whether an address that services share is there, or overlaps.
    bool is_shared_address(const tcp::endpoint& where) const;

    // Whether there is a certificate for what a pattern of names stands for. To be set once.
    void ask_for_certificates(std::function<bool(std::string_view host)> has_certificate);

    SavedState& saved() { return registry_.saved(); }

    const SavedState& saved() const { return registry_.saved(); }

    // What a former run has saved; its tunnels are not opened.
    void restore(SavedState saved) { registry_.restore(std::move(saved)); }

    // Names that the process before this one has chosen, by the lasting names of the services.
    void prefer_hosts(std::map<std::string, std::string> hosts);

    // ---- Services

    // Begins to take visitors as soon as an origin proxy serves it. `front` is its own; null: it
    // shares those that stay.
    void add(Wanted wanted, const FrontPointer& front);

    // The same, at its address, which is opened first. Throws std::system_error that names it.
    void add(Wanted wanted);

    // Replaces all services of one source, the options or the management interface. Those of the
    // same name and address stay, and visitors who are served go on in any case. Throws
    // std::system_error, and then nothing has changed. Missing are those whose addresses were to
    // be closed first, and could not be had afterwards. Call consider_offers() or
    // reconsider_offers() then.
    std::vector<Missing> replace(ServiceSource source, std::vector<Wanted> wanted);

    // Those of origin proxies and tunnels, which have no rules of their own.
    void change_rules(const ServiceRules& rules);

    // Null: it is closed.
    ServicePointer find(const RegisteredService& service) const;

    // Takes no more visitors, or takes them again. Throws std::system_error if its address cannot
    // be opened; nothing has changed then.
    void set_drained(const RegisteredServicePointer& service, bool drained);

    // None opens again. Visitors who are here go on.
    void close_addresses();

    // Answers the offers that concern what has been added, closed and changed.
    void consider_offers();

    // All offers, after a reload. What takes long goes on in later turns.
    void reconsider_offers();

    // Shuts addresses to which no origin proxy has come back, and ends origin proxies that do not
    // answer and whose services others want.
    void expire(Clock::time_point now);

    // When expire() has something to do.
    std::optional<Clock::time_point> next_deadline() const;

    // ---- Origin proxies

    void log_in(OriginLink& link);

    // The origin proxy serves it from now on. Throws std::system_error if its address cannot be
    // opened.
    void attach(const RegisteredService& service, const OriginLink& link);

    // It is gone. A second time it does nothing.
    void drop(OriginLink& link);

    // It has sent something: an offer or anything else.
    void on_frame(OriginLink& link, const Frame& frame);

    // Those that could not be opened, a few at a time.
    void listen_again(const OriginLink& link);

    // An origin proxy takes no more visitors, or takes them again.
    void set_drained(OriginLink& link, bool drained);

    // Others that have its credential and name may be former runs of it, of which nobody has heard
    // that they are gone: they are asked. The number that tells it from those that are still there.
    std::size_t meet_twins(const Identity& identity);

    // Log-ins wait until an origin proxy that has what they want has answered or is gone. False:
    // too many wait already.
    bool may_wait() const;

    // Asks it and waits. False: it is gone.
    awaitable<bool> has_answered(std::uint64_t link);

private:
    RegisteredServicePointer registered(const std::string& name) const;
    void change(Wanted wanted);
    void publish(const RegisteredServicePointer& service, const FrontPointer& front);
    FrontPointer front_for(const RemoteService& service);
    FrontPointer listen_at_any(const effect::Listen& wanted);
    tcp::endpoint shared_address(ServiceKind kind) const;
    OfferRules offer_rules();

    void perform_effects();
    void consider_some();
    awaitable<void> go_on_considering();

    void perform_all();
    void perform(const effect::Listen& wanted);
    void perform(const effect::Route& wanted);
    void perform(const effect::Open& wanted);
    void perform(const effect::Serve& served);
    void perform(const effect::Close& closed);
    void perform(const effect::Tell& told);
    void perform(const effect::ReportHealth& news);
    void perform(const effect::ReportNotServed& tunnel);
    void perform(const effect::Ask& asked);
    void perform(const effect::Drop& dropped);
    bool is_line(Report report, const OriginName& origin, const std::string& service);

    const RemoteOptions& options_;
    const TrustedOrigins& trust_;
    Capacity& capacity_;
    OriginLinks& links_;
    Visitors& visitors_;
    Fronts& fronts_;
    Tallies& tallies_;
    Alarm& alarm_;
    EventHub& events_;
    TaskGroup& tasks_;

    Registry registry_;
    OfferAnswers answers_;
    std::map<std::uint64_t, ServicePointer> all_; // by their numbers
    std::size_t performing_ = 0;                  // effects
    bool goes_on_ = false;                        // a task is considering offers
    std::function<bool(std::string_view host)> has_certificate_;
    std::map<std::string, std::string> former_hosts_;
    std::size_t waiting_log_ins_ = 0; // until a holder has answered
    Signal holder_settled_;           // it has answered, or is gone
};

} // namespace tunnel
