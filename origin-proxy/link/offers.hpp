// The services as one remote proxy is offered them, and what it says about each.
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
    // `all` must live as long. `remote` is what the log calls the remote proxy.
    Offers(const Services& all, std::string remote) : services_(all), remote_(std::move(remote)) {}

    // An offer of each, none of which is answered then: for a new control connection.
    std::vector<Frame> offer_all();

    // What the remote proxy is to be told, in this order, so that it knows what has changed since.
    std::vector<Frame> catch_up();

    void on_opened(const Opened& opened);
    void on_declined(const Declined& declined);

    // Every offer has been.
    bool answered() const;

    // Those that are, in the order in which they were told.
    std::vector<Opened> opened() const;

private:
    enum class State : std::uint8_t { offered, opened, declined };

    struct Entry {
        std::optional<Address> asked_for{}; // where visitors are to connect to
        State state = State::offered;
        std::string outside_address{}; // while it is open
        std::uint64_t offer = 0;       // the number of the latest
    };

    Offer offer_of(const OriginService& options, Entry& entry);
    Entry* offered(std::string_view name, std::uint64_t offer);

    const Services& services_;
    std::string remote_;
    std::map<std::string, Entry, std::less<>> told_;
    std::uint64_t latest_offer_ = 0;
};

} // namespace tunnel
