// Answers the offers of origin proxies: who may serve, or open, which service.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <system_error>
#include <variant>
#include <vector>

#include "common/base/asio.hpp"
#include "common/protocol/frame.hpp"
#include "remote-proxy/registry/offer_rules.hpp"
#include "remote-proxy/registry/port_searches.hpp"
#include "remote-proxy/registry/registry.hpp"

namespace tunnel {

// One at a time, and each in steps: what an offer needs to be opened is among the effects of the
// registry, and the answer goes on when it is known what has become of that. No I/O, no clock.
class OfferAnswers {
public:
    // Of one origin proxy, whatever becomes of them: each takes memory.
    static constexpr std::size_t most_offers = 1000;

    // The registry must outlive this.
    explicit OfferAnswers(Registry& registry) : registry_(registry) {}

    void offer(std::uint64_t link, const Offer& offer, Clock::time_point now);

    // Considers offers again whose addresses could not be had: another program may have let one go.
    // A few at a time, and not as often as the origin proxy likes.
    void listen_again(std::uint64_t link, Clock::time_point now);

    // After a change of the rules: all offers, by consider_later().
    void reconsider_all();

    // Answers one of the offers that are to be considered once more. False: there are none. Nothing
    // may be left of the effects before.
    bool consider_next(Clock::time_point now);

    // The same for what may take as long as it likes: offers that wait for a thing that has become
    // free, one thing at a time, and all offers after reconsider_all(). False: there are none.
    bool consider_later(Clock::time_point now);

    bool has_later() const { return reconsidered_ || registry_.holders().has_freed(); }

    // There is a listener, as the latest effect::Listen or effect::Route asked for. The service
    // that it is for, null if it is of no use; go_on() when there is that service, and what is to
    // be done before is done.
    RegisteredServicePointer listening(const tcp::endpoint& where, Clock::time_point now);
    void go_on(Clock::time_point now);

    // The address takes connections, as the latest effect::Open asked for.
    void opened(Clock::time_point now);

    // The latest effect::Listen or effect::Open has failed.
    void cannot_listen(const std::system_error& error, Clock::time_point now);

private:
    using Verdict = std::variant<Opened, Declined, Contested>;

    // The offer that is being answered.
    struct Considered {
        Contender who;
        bool asks = false;                  // the origin proxy waits for an answer
        RegisteredServicePointer opening{}; // what effect::Open was for; null: effect::Listen was
        Address address{};                  // for this one
        PublicNames names{};                // effect::Route was for these
        std::vector<RegisteredServicePointer> tunnels{}; // to it
        std::size_t next = 0;                            // of them
        const RegisteredService* served = nullptr;       // the first of them that it serves
        const RegisteredService* contested = nullptr;    // one that another origin proxy has
    };

    bool keep(RegisteredOrigin& origin, const Offer& offer) const;
    void consider(const Contender& who, bool asks, Clock::time_point now);
    std::optional<Verdict> answer(const RegisteredOrigin& origin, Clock::time_point now);
    std::optional<Verdict> answer_by_rules(const RegisteredOrigin& origin, Clock::time_point now);
    bool try_serving(const RegisteredServicePointer& service, const RegisteredOrigin& origin);
    void listen_for(const RegisteredOrigin& origin, const OpensService& opens,
                    Clock::time_point now);
    void route_for(const RegisteredOrigin& origin, const OpensNames& opens, Clock::time_point now);
    RegisteredServicePointer service_of_offer(const RegisteredOrigin& origin,
                                              const std::string& name) const;
    void decline(const std::system_error& error, Clock::time_point now);
    void conclude(Verdict verdict, Clock::time_point now);

    Registry& registry_;
    PortSearches searches_;
    std::optional<Considered> considered_;
    std::optional<Contender> reconsidered_; // the latest, if there may be more
};

} // namespace tunnel
