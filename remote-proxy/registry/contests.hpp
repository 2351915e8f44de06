// Offers of origin proxies for what another one has.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "common/base/asio.hpp"
#include "remote-proxy/registry/registered_origin.hpp"
#include "remote-proxy/registry/registered_service.hpp"

namespace tunnel {

// An offer that waits, and whose link made it.
struct Contender {
    std::uint64_t link = 0;
    std::string offer{};

    friend bool operator==(const Contender&, const Contender&) = default;

    friend bool operator<(const Contender& a, const Contender& b)
    {
        return std::tie(a.link, a.offer) < std::tie(b.link, b.offer);
    }
};

// An offer wants something that somebody else has.
struct Contested {
    std::string thing;                      // as Contests has it
    std::uint64_t holder = 0;               // the number of its link
    std::optional<Clock::time_point> until; // with no holder: how long that may come back
    std::string words;                      // for the one that wants it
    DeclineReason reason = DeclineReason::in_use;

    // Nobody needs to be asked or waited for to know it.
    bool is_hopeless() const { return holder == 0 && !until; }
};

// The service, which another one serves whose place the new one cannot take.
Contested contested_service(const RegisteredService& service, const RegisteredOrigin& holder,
                            const OriginName& wanted_by);

// The port, which another service has.
Contested contested_port(const RegisteredService& service, const RegisteredOrigin& holder,
                         std::uint64_t wanted_by);

// The port, which is kept for the owner of a service who may come back until then.
Contested kept_port(const RegisteredService& service, Clock::time_point until);

// The name, which another service has.
Contested contested_host(const RegisteredService& service, const std::string& host,
                         const RegisteredOrigin& holder);

// The name, which is kept for the owner of a service who may come back until then.
Contested kept_host(const RegisteredService& service, const std::string& host,
                    Clock::time_point until);

// For the log of the one that comes second.
std::string in_use(const RegisteredService& service, const RegisteredOrigin& holder,
                   const OriginName& wanted_by);

// What can be contested of a service.
std::string thing_of_name(const RegisteredService& service);
std::string thing_of_port(const RegisteredService& service);
std::string thing_of_host(ServiceKind kind, const std::string& host);

// Which offers wait for which thing, a name or a port, and what is known of its holder. A holder
// is asked whether it is still there while anybody waits for what it has; an offer is answered
// once that is known. No I/O, no clock.
class Contests {
public:
    // Those beyond are declined, and tried again with later heartbeats.
    static constexpr std::size_t most_of_link = 16;
    static constexpr std::size_t most_over_thing = 64;
    static constexpr std::size_t most = 1024;

    enum class State : std::uint8_t {
        asking,   // it is not known yet whether the holder is still there
        answered, // it has been heard since the offer came
        full,     // too many wait already; nothing is remembered of this one
    };

    // `holder` is the number of a link, or 0 if it is gone, but may come back until `until`.
    // Whoever waits for the same thing already keeps his turn.
    State enter(const Contender& who, std::string_view thing, std::uint64_t holder,
                std::optional<Clock::time_point> until = {});

    void leave(const Contender& who);
    void leave_all_of(std::uint64_t link);

    // The holder has been heard. Those to be answered now.
    std::vector<Contender> heard(std::uint64_t holder);

    // Whether anybody waits for something that this link has.
    bool is_contested(std::uint64_t holder) const;

    // By the time they came.
    std::vector<Contender> over(std::string_view thing) const;

    // When the first of those that are gone has had its time.
    std::optional<Clock::time_point> next() const;

    // Whose holders have had their time.
    std::vector<Contender> due(Clock::time_point now) const;

    std::size_t size() const { return entries_.size(); }

private:
    struct Entry {
        Contender who;
        std::string thing;
        std::uint64_t holder;
        bool answered;
        std::optional<Clock::time_point> until;
    };

    template <class Condition>
    std::vector<Contender> those(Condition condition) const;

    std::vector<Entry> entries_; // few, by the time they came
};

} // namespace tunnel
