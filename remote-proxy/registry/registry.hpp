// Which services and origin proxies there are, and who serves what.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/asio.hpp"
#include "common/base/line_allowance.hpp"
#include "common/protocol/frame.hpp"
#include "remote-proxy/registry/effects.hpp"
#include "remote-proxy/registry/holders.hpp"
#include "remote-proxy/registry/offer_rules.hpp"
#include "remote-proxy/registry/registered_origin.hpp"
#include "remote-proxy/registry/saved_state.hpp"
#include "remote-proxy/registry/service_list.hpp"

namespace tunnel {

// A value without I/O, clock or log. It is told what happens, and says with next_effect() what is
// to be done. OfferAnswers decides what becomes of offers.
class Registry {
public:
    // How an origin proxy went.
    struct Departure {
        std::string goodbye{};    // the words it left with; empty: it has not said any
        bool closed_here = false; // it was told to go
    };

    // They hold for what is decided from now on.
    void change_rules(OfferRules rules);

    const OfferRules& rules() const { return rules_; }

    // No address opens any more.
    void stop() { is_stopping_ = true; }

    bool is_stopping() const { return is_stopping_; }

    // What the management interface has changed.
    const SavedState& saved() const { return saved_; }

    SavedState& saved() { return saved_; }

    // What a former run has saved, before any origin proxy logs in.
    void restore(SavedState saved);

    const ServiceList& services() const { return services_; }

    const RegisteredOrigins& origins() const { return origins_; }

    // ---- What is to be done

    // The next thing to do, in order. nullopt: nothing.
    std::optional<Effect> next_effect();

    void want(Effect effect) { effects_.push_back(std::move(effect)); }

    // Takes the next offer that is to be considered again. nullopt: there is none.
    std::optional<Contender> take_considered();

    void consider_soon(const Contender& who);

    // Empties that list, when all offers are about to be considered.
    void consider_none();

    // The deadline of expire(), and the next end of an outage.
    std::optional<Clock::time_point> next_deadline() const;

    // The earliest of the deadlines that have come up since the last call.
    std::optional<Clock::time_point> take_new_deadline() { return std::exchange(new_, {}); }

    // ---- Origin proxies

    // Null: it is not logged in.
    RegisteredOrigin* find(std::uint64_t link);

    void log_in(RegisteredOrigin origin);

    // A second time it does nothing.
    void log_out(std::uint64_t link, const Departure& departure, Clock::time_point now);

    void withdraw(std::uint64_t link, const std::string& name, Clock::time_point now);
    void set_health(std::uint64_t link, const ServerHealth& health, Clock::time_point now);

    // The origin proxy takes no new visitors, or takes them again. After the latter, attach() it to
    // each service that it serves, which opens their addresses again.
    void set_drained(std::uint64_t link, bool drained, Clock::time_point now);

    // `frame` is an Opened or a Declined. Nothing is sent if the origin proxy knows it already and
    // does not ask.
    void tell(RegisteredOrigin& origin, RegisteredOrigin::Offered& offered, Frame frame, bool asks,
              Clock::time_point now);

    // ---- Services

    // The service that an origin proxy names in its log-in, if it may serve it; else null.
    RegisteredServicePointer named_in_log_in(const std::string& name,
                                             const std::string& credential) const;

    // The service's address must be opened before this origin proxy serves it.
    bool must_open(const RegisteredService& service, std::uint64_t link) const;

    // The caller has a listener for it. `owner`: the origin proxy that opens it, if one does.
    RegisteredServicePointer add(RemoteService options, const tcp::endpoint& where,
                                 std::shared_ptr<const OriginName> owner = {},
                                 std::optional<PublicTunnel> tunnel = {});

    // Tells the origin proxies that serve it, except the link `knows`. Offers that wait for its
    // name or port are considered next.
    void close(const RegisteredServicePointer& service, std::string_view why, Clock::time_point now,
               std::uint64_t knows = 0);

    // The origin proxy serves it from now on.
    void attach(const RegisteredServicePointer& service, std::uint64_t link);
    void detach(const RegisteredServicePointer& service, const RegisteredOrigin& origin,
                Clock::time_point now, const Departure* departure = nullptr);

    // Other options, but for the name and the address. A tunnel leads elsewhere from now on.
    void change(const RegisteredServicePointer& service, RemoteService options,
                Clock::time_point now, std::optional<PublicTunnel> tunnel = {});

    // Its address takes connections, or takes none.
    void opened(RegisteredService& service) { service.is_open = true; }

    void shut(RegisteredService& service) { service.is_open = false; }

    // It lets no visitors in, or lets them in again.
    void drain(RegisteredService& service) { service.drained = true; }

    void resume(const RegisteredServicePointer& service);

    // Those whose addresses are to be shut by now, since nobody has come back.
    std::vector<RegisteredServicePointer> outages_over(Clock::time_point now) const;

    // Nobody waits for it any more.
    void end_outage(const RegisteredServicePointer& service, Clock::time_point now);

    // ---- Whether those are still there who have what others want

    Holders& holders() { return holders_; }

    const Holders& holders() const { return holders_; }

    void ask(std::uint64_t link, Clock::time_point now);
    void heard(std::uint64_t link, Clock::time_point now);

    // Asks again, and ends those that have not answered. `log_ins_wait`: somebody who is not logged
    // in yet waits for one to answer.
    void expire(Clock::time_point now, bool log_ins_wait);

    // The alarm is to ring when the next of them has had its time.
    void note_deadline(std::optional<Clock::time_point> time);

private:
    void consider_all(const std::string& client, const std::string& offer);
    void begin_again(const RegisteredServicePointer& service, std::uint64_t link);
    bool has_taker(const RegisteredService& service) const;
    void settle_http(RegisteredService& service) const;
    Report report(const std::string& credential, Clock::time_point now);

    OfferRules rules_;
    SavedState saved_;
    ServiceList services_;
    RegisteredOrigins origins_;
    Holders holders_;
    std::map<std::string, LineAllowance> lines_; // about services, by the credentials' names
    bool is_stopping_ = false;

    std::deque<Effect> effects_;
    std::deque<Contender> soon_; // to be considered
    std::set<Contender> is_soon_;
    std::optional<Clock::time_point> new_;
};

} // namespace tunnel
