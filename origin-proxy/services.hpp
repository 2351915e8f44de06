// The services that the origin proxy serves, and what the remote proxy says about each.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/asio.hpp"
#include "common/net/congestion.hpp"
#include "common/protocol/frame.hpp"
#include "origin-proxy/origin_server.hpp"
#include "origin-proxy/service_options.hpp"

namespace tunnel {

// One of them. Shared: who is on the way to its origin server may outlast its place in the table.
struct Service {
    OriginService options;
    OriginServer origin_server;
    // Also with the one that it replaces: a change of the options frees nobody of a limit.
    std::shared_ptr<SharedLimits> bandwidth;
};

// Nothing but this table decides which address is dialled, whatever the remote proxy announces.
class Services {
public:
    // What is the same for all origin servers.
    struct Dialling {
        asio::any_io_executor executor;
        Clock::duration timeout;
        Congestion congestion;
    };

    Services(Dialling dialling, const std::vector<OriginService>& wanted);

    // Null: there is none of that name.
    std::shared_ptr<Service> find(std::string_view name) const;

    std::size_t size() const { return table_.size(); }

    std::vector<std::shared_ptr<Service>> all() const;

    // Makes these the services, and answers what the remote proxy is to be told, in this order. One
    // that is as it was stays the same object. Names are unique.
    std::vector<Frame> change(const std::vector<OriginService>& wanted);

    // An offer of each, none of which is answered then.
    std::vector<Frame> offer_all();

    void on_opened(const Opened& opened);
    void on_declined(const Declined& declined);

    // Every offer has been.
    bool answered() const;

    // Those that are, in the order in which they were told.
    std::vector<Opened> opened() const;

private:
    enum class State : std::uint8_t { offered, opened, declined };

    struct Entry {
        std::shared_ptr<Service> service;
        State state = State::offered;
        std::string outside_address{}; // while it is open
        std::uint64_t offer = 0;       // the number of the latest
    };

    Offer offer_of(Entry& entry);
    Entry* offered(std::string_view name, std::uint64_t offer);

    std::shared_ptr<Service> made_of(const OriginService& options,
                                     std::shared_ptr<SharedLimits> bandwidth) const;

    Dialling dialling_;
    std::map<std::string, Entry, std::less<>> table_;
    std::vector<std::string> names_; // in the order in which they were told
    std::uint64_t latest_offer_ = 0;
};

} // namespace tunnel
