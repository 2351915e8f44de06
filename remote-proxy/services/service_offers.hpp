// Which origin proxy may serve, or open, which service.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "common/base/alarm.hpp"
#include "common/base/asio.hpp"
#include "common/base/line_allowance.hpp"
#include "common/base/task_group.hpp"
#include "common/protocol/frame.hpp"
#include "common/transport/listener.hpp"
#include "remote-proxy/options/options.hpp"
#include "remote-proxy/origins/capacity.hpp"
#include "remote-proxy/origins/origin_links.hpp"
#include "remote-proxy/services/holders.hpp"
#include "remote-proxy/services/service_table.hpp"
#include "remote-proxy/trust/trusted_origins.hpp"
#include "remote-proxy/visitors/tallies.hpp"
#include "remote-proxy/visitors/visitors.hpp"

namespace tunnel {

// Answers the offers of origin proxies, also again when something has changed, and ends what they
// have opened.
class ServiceOffers {
public:
    // What is used here and belongs to others. All of it must outlive this.
    struct Uses {
        asio::io_context& io;
        const RemoteOptions& options;
        const TrustedOrigins& trust;
        const Capacity& capacity;
        OriginLinks& links;
        ServiceTable& table;
        Visitors& visitors;
        Tallies& tallies;
        Alarm& alarm;
        TaskGroup& tasks;
    };

    // While many tunnels change at once: offers that are to be considered are considered once at
    // the end, instead of once for each tunnel, each time with all tunnels.
    class Postponing {
    public:
        explicit Postponing(ServiceOffers& offers) : offers_(offers)
        {
            offers_.postponed_offers_.emplace();
        }

        Postponing(const Postponing&) = delete;
        Postponing& operator=(const Postponing&) = delete;

        ~Postponing() { offers_.postponed_offers_.reset(); }

        // Considers them now.
        void finish() { offers_.consider_postponed(); }

    private:
        ServiceOffers& offers_;
    };

    explicit ServiceOffers(Uses uses);

    Holders& holders() { return holders_; }

    // ---- What an origin proxy says

    void on_offer(OriginLink& link, const Offer& offer);
    void withdraw(OriginLink& link, const std::string& name);
    void on_health(OriginLink& link, const ServerHealth& health);

    // ---- Offers that are there

    void consider(OriginLink& link, const std::string& name, bool asked = false);

    // Of all who go by the name.
    void consider_all(const std::string& client, const std::string& service);

    // After a change of the options. What takes long goes on in later turns.
    void reconsider_offers();

    // Those that could not be opened, a few at a time.
    void listen_again(OriginLink& link);

    // ---- Ends

    // Closes a service. All who served it are told, but for `knows`.
    void retire(const ServicePointer& service, std::string_view why,
                const OriginLink* knows = nullptr);

    // The origin proxy does not serve it any more.
    void detach(PublicService& service, OriginLink& link);

    // It is gone. A second time it does nothing.
    void drop(OriginLink& link);

    // Shuts addresses to which no origin proxy has come back.
    void end_outages(Clock::time_point now);

private:
    using Verdict = std::variant<Frame, Contested>; // on an offer

    void reconsider(const Contender& contender);
    bool reconsider_some();
    awaitable<void> go_on_reconsidering();
    void consider_postponed();
    void drop_silent(OriginLink& link);
    ServicePointer open_for(OriginLink& link, const std::string& name, const Address& address);
    void tell(OriginLink& link, OriginLink::Offered& offered, const Frame& frame,
              bool asked = false);
    bool may_log(const std::string& credential, const std::string& service);
    Verdict answer(OriginLink& link, const std::string& name, const std::string& wanted);
    Verdict answer_by_rules(OriginLink& link, const std::string& name, const std::string& wanted);
    std::optional<std::string> serve_tunnels(OriginLink& link, const std::string& name,
                                             std::optional<Contested>& contested);
    std::optional<Contested> contest_for(const OriginLink& link, const std::string& name,
                                         Address address);
    ServicePointer service_of_offer(const OriginLink& link, const std::string& name) const;
    std::optional<Declined> objection_to(const OriginLink& link, const PublicService& service,
                                         const std::string& wanted) const;
    std::optional<Declined> objection_to(const OriginLink& link, const std::string& name,
                                         const std::string& wanted) const;
    const PortRanges& ports_of(const OriginLink& link) const;
    Listener listen_for(const OriginLink& link, Address address);
    Listener listen_at_any_port(const OriginLink& link, Address address);
    void must_leave_room(const OriginLink& link, std::size_t leaving) const;

    const RemoteOptions& options_;
    const TrustedOrigins& trust_;
    const Capacity& capacity_;
    OriginLinks& links_;
    ServiceTable& table_;
    const ServiceMap& services_; // of the table
    Visitors& visitors_;
    Tallies& tallies_;
    TaskGroup& tasks_;

    Holders holders_;
    std::map<std::string, LineAllowance> lines_; // about services, by the credentials' names
    std::optional<std::set<std::pair<OriginLink*, std::string>>> postponed_offers_;

    // For whom no port was free, by the names of credentials: a search takes hundreds of attempts,
    // and an origin proxy may offer a thousand services, at as many addresses, and withdraw one in
    // between so that a port may be free.
    struct NoPort {
        std::uint64_t closed; // of the table then
        Clock::time_point until;
        int searches; // in vain, in that time
    };

    std::map<std::string, NoPort> no_port_;

    // What reconsider_offers() still has to do.
    struct ToReconsider {
        std::vector<std::uint64_t> links; // numbers, the next one last
        std::string last;                 // name of an offer of the next one
        bool goes_on = false;             // a task is at it
    };

    ToReconsider to_reconsider_;
};

} // namespace tunnel
