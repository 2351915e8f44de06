// Limits of visitors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "common/base/asio.hpp"
#include "common/base/code.hpp"
#include "common/transport/cidr.hpp"
#include "common/transport/recent_addresses.hpp"
#include "remote-proxy/options/visitor_rules.hpp"

namespace tunnel {

enum class Refusal : std::uint8_t {
    denied,
    not_allowed,
    too_many,
    too_many_per_ip,
    too_many_new_per_ip,
};

inline constexpr std::size_t refusal_kinds = 5;

// For the log.
Reason describe(Refusal refusal);

// Decides about each new visitor, and counts the present ones. No I/O, no clock. The work for each
// grows with the logarithm of their number, and with the length of the lists in the rules.
class VisitorLimits {
    struct Present {
        std::size_t total = 0;
        std::map<Cidr, std::size_t> by_ip; // no entry is 0, so there are at most `total`
    };

public:
    // Counts one visitor as present while it lives. Move-only; owned by the visitor.
    class Permit {
    public:
        Permit() = default; // counts nobody
        Permit(Permit&&) noexcept = default;
        Permit& operator=(Permit&& other) noexcept;

        ~Permit() { leave(); }

    private:
        friend class VisitorLimits;

        void leave() noexcept;

        // Shared with the limits: at an end by an exception a visitor may outlive them, in a
        // handler that the io_context has not come to run.
        std::shared_ptr<Present> present_;
        // The entry of those who are counted by it; null: this one is not.
        std::pair<const Cidr, std::size_t>* ip_ = nullptr;
    };

    // The most addresses remembered, for the limit of new visitors per second. The least recently
    // admitted is forgotten first, since it has regained most of its allowance. Forgetting it early
    // takes that many addresses within a second; an attacker with so many is held by
    // max_connections. 10 MB.
    static constexpr std::size_t most_remembered = 65'536;

    explicit VisitorLimits(VisitorRules rules, std::size_t capacity = most_remembered);

    // A permit for a visitor from this address, or why it is refused. `now` never goes back.
    // `is_new`: it does not come back with a connection that was let in before.
    std::variant<Permit, Refusal> admit(const asio::ip::address& address, Clock::time_point now,
                                        bool is_new = true);

    // Applies to new visitors. Present ones stay and count.
    void change_rules(VisitorRules rules);

    // The number of present visitors.
    std::size_t present() const { return present_->total; }

    // The addresses in memory: of present visitors, and of those who came within a second.
    std::size_t remembered() const { return present_->by_ip.size() + recent_.size(); }

private:
    // Each visitor adds the even interval between visitors to the debt of its address, up to a
    // second of debt: as many as may come within a second may come at once. This is when the debt
    // is paid; a second without visitors pays all of it.
    using DebtFree = Clock::time_point;

    // Counts a visitor if the limits per IP allow it.
    std::optional<Refusal> count_by_ip(const Cidr& ip, Clock::time_point now, Permit& permit,
                                       bool is_new);

    bool comes_too_often(const Cidr& ip, Clock::time_point now) const;
    void note_arrival(const Cidr& ip, Clock::time_point now);

    VisitorRules rules_;
    Clock::duration interval_{}; // between the visitors of one address that come evenly
    std::shared_ptr<Present> present_;
    RecentAddresses<DebtFree> recent_;
};

} // namespace tunnel
