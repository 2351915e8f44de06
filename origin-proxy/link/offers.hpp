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
    // `all` must live as long. `remote` is what the log calls the remote proxy.
    Offers(const Services& all, std::string remote) : services_(all), remote_(std::move(remote)) {}

    // For a new control connection: an offer of each service, none of which is answered yet. Those
    // with names are not offered to a remote proxy that does not know any (`knows_names`).
    std::vector<Frame> offer_all(bool knows_names);

    // What to send, in this order, so that the remote proxy knows what has changed since.
    std::vector<Frame> catch_up();

    void on_opened(const Opened& opened);
    void on_declined(const Declined& declined);

    // Services with names that a remote proxy of an older version was not offered.
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
        std::optional<Address> wanted{}; // where visitors are to connect to
        PublicNames names{};             // as well
        State state = State::offered;
        std::string outside_address{}; // while it is open
        Declined declined{};           // while it is not
        std::uint64_t offer = 0;       // the number of the latest
    };

    Offer offer_of(const OriginService& options, Entry& entry);
    Entry* entry_of(std::string_view name, std::uint64_t offer);

    const Services& services_;
    std::string remote_;
    std::map<std::string, Entry, std::less<>> offered_;
    std::uint64_t latest_offer_ = 0;
    bool knows_names_ = true; // the remote proxy
};

} // namespace tunnel
