// Which services one remote proxy has been offered, and what it has answered.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/protocol/frame.hpp"
#include "origin-proxy/servers/services.hpp"

namespace tunnel {

class Offers {
public:
    // What the remote proxy can do, by the features of its welcome.
    struct Knows {
        bool names = true;
        bool http = true;
    };

    // `all` must live as long. `remote` is what the log calls the remote proxy.
    Offers(const Services& all, std::string remote) : services_(all), remote_(std::move(remote)) {}

    // For a new control connection: an offer of each service, none of which is answered yet. What
    // the remote proxy could not do as it is wanted is not offered: names where it knows none, and
    // what is said of visitors who speak HTTP, such as who may come, where it does not read that.
    std::vector<Frame> offer_all(Knows knows);

    // What to send, in this order, so that the remote proxy knows what has changed since.
    std::vector<Frame> catch_up();

    void on_opened(const Opened& opened);
    void on_declined(const Declined& declined);

    // Services that a remote proxy of an older version was not offered.
    std::vector<std::string> left_out() const;

    // Whether every offer has been answered.
    bool answered() const;

    // The services that are open, in the order in which they are configured.
    std::vector<Opened> opened() const;

    // Those that the remote proxy does not open, in no order.
    std::vector<Declined> declined() const;

private:
    enum class State : std::uint8_t { offered, opened, declined };

    struct Entry {
        Offer wanted{}; // the latest
        State state = State::offered;
        std::string outside_address{}; // while it is open
        Declined declined{};           // while it is not
    };

    bool can_do(const OriginService& options) const;
    Entry* entry_of(std::string_view name, std::uint64_t offer);

    const Services& services_;
    std::string remote_;
    std::map<std::string, Entry, std::less<>> offered_;
    std::uint64_t latest_offer_ = 0;
    Knows knows_;
};

} // namespace tunnel
