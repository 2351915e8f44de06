// The services that the origin proxy serves.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/asio.hpp"
#include "common/transport/congestion.hpp"
#include "origin-proxy/options/options.hpp"
#include "origin-proxy/servers/origin_server.hpp"

namespace tunnel {

// One of them. Shared: a visitor who is being connected may outlast its entry in the table.
struct Service {
    OriginService options;
    OriginServer origin_server;
    // Also with the one that it replaces: a change of the options frees nobody of a limit.
    std::shared_ptr<SharedLimits> bandwidth;
};

// What the options say to serve: [services], or the service `default` alone.
std::vector<OriginService> services_of(const OriginOptions& options);

// Nothing but this table decides which address is dialled, whatever the remote proxy announces.
class Services {
public:
    // What is the same for all origin servers.
    struct Dialling {
        asio::any_io_executor executor;
        Clock::duration timeout;
        Congestion congestion;
    };

    Services(Dialling dialling, const std::vector<OriginService>& wanted, bool offered = true);

    // Null: there is none of that name.
    std::shared_ptr<Service> find(std::string_view name) const;

    std::size_t size() const { return table_.size(); }

    std::vector<std::shared_ptr<Service>> all() const;

    // In the order in which they are configured.
    const std::vector<std::string>& names() const { return names_; }

    // Whether remote proxies are offered each by its name; else there is one, that of the log-in.
    bool offered() const { return offered_; }

    // Replaces the services. One that is as it was stays the same object. Names are unique.
    void change(const std::vector<OriginService>& wanted, bool offered = true);

private:
    std::shared_ptr<Service> made_of(const OriginService& options,
                                     std::shared_ptr<SharedLimits> bandwidth) const;

    Dialling dialling_;
    std::map<std::string, std::shared_ptr<Service>, std::less<>> table_;
    std::vector<std::string> names_;
    bool offered_ = true;
};

} // namespace tunnel
