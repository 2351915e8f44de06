// The services that the origin proxy serves.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/asio.hpp"
#include "common/transport/congestion.hpp"
#include "origin-proxy/options/service_options.hpp"
#include "origin-proxy/servers/origin_server.hpp"

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

    // In the order in which they were told.
    const std::vector<std::string>& names() const { return names_; }

    // Makes these the services. One that is as it was stays the same object. Names are unique.
    void change(const std::vector<OriginService>& wanted);

private:
    std::shared_ptr<Service> made_of(const OriginService& options,
                                     std::shared_ptr<SharedLimits> bandwidth) const;

    Dialling dialling_;
    std::map<std::string, std::shared_ptr<Service>, std::less<>> table_;
    std::vector<std::string> names_;
};

} // namespace tunnel
