// Who may visit, and how many.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include "common/base/asio.hpp"
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

// In words, for the log.
std::string_view describe(Refusal refusal);

// Decides about each visitor that comes, and counts those that are here. No I/O, no clock. The work
// for each grows with the logarithm of their number, and with the length of the lists in the rules.
class VisitorLimits {
    struct Present {
        std::size_t total = 0;
        std::map<Cidr, std::size_t> by_ip; // none is 0, so it is bounded by the total
    };

public:
    // Counts one visitor as present while it lives; it moves with the visitor, wherever that goes.
    class Place {
    public:
        Place() = default; // counts nobody
        Place(Place&&) noexcept = default;
        Place& operator=(Place&& other) noexcept;

        ~Place() { leave(); }

    private:
        friend class VisitorLimits;

        void leave() noexcept;

        // Shared with the limits: at an end by an exception a visitor may outlive them, in a
        // handler that the io_context has not come to run.
        std::shared_ptr<Present> present_;
        std::optional<std::map<Cidr, std::size_t>::iterator> ip_; // of those who are counted by it
    };

    // Visitors' addresses of the last second that are remembered at most, for the limit of new
    // ones. The one that goes before its time is the one that was let in last the longest time ago,
    // so that of all it has regained most of what it may. To make it go, that many addresses must
    // have been let in within a second; whoever has them needs no trick to come as often as he
    // likes, and max_connections is what holds him. 10 MB.
    static constexpr std::size_t most_remembered = 65'536;

    explicit VisitorLimits(VisitorRules rules, std::size_t capacity = most_remembered);

    // A place for a visitor from this address, or why it gets none. `now` never goes back.
    std::variant<Place, Refusal> admit(const asio::ip::address& address, Clock::time_point now);

    // For those who come from now on. Those who are here stay, and count.
    void change_rules(VisitorRules rules);

    // Those who have a place.
    std::size_t present() const { return present_->total; }

    // Addresses that take memory: of those who are here, and of those who came within a second.
    std::size_t remembered() const { return present_->by_ip.size() + recent_.size(); }

private:
    // For each visitor an address owes the time after which it may have the next, if all come
    // evenly. It is free of debt at this time, and may owe up to a second: as many as come within
    // one may also come at once. In a second without visitors it pays everything off.
    using DebtFree = Clock::time_point;

    // Counts one more if that is within the limits per IP.
    std::optional<Refusal> count_by_ip(const Cidr& ip, Clock::time_point now, Place& place);

    bool comes_too_often(const Cidr& ip, Clock::time_point now) const;
    void note_arrival(const Cidr& ip, Clock::time_point now);

    VisitorRules rules_;
    Clock::duration interval_{}; // between the visitors of one address that come evenly
    std::shared_ptr<Present> present_;
    RecentAddresses<DebtFree> recent_;
};

} // namespace tunnel
