// For how much the descriptors of the remote proxy are enough.
#pragma once

#include <cstddef>

#include "remote-proxy/options/options.hpp"
#include "remote-proxy/origins/origin_links.hpp"

namespace tunnel {

class Capacity {
public:
    // Both must outlive it.
    Capacity(const RemoteOptions& options, const OriginLinks& links)
        : options_(options), links_(links)
    {
    }

    // There are so many services now, and so many addresses for their visitors.
    void set_services(std::size_t count, std::size_t listeners)
    {
        services_ = count;
        listeners_ = listeners;
    }

    // Some of them, or their visitors, speak HTTP.
    void expect_http() { has_http_ = true; }

    // Descriptors that are left for connections and listeners.
    std::size_t usable() const;

    // Of connections that have not said yet what they are.
    std::size_t handshakes() const;

    // Of visitors of --https-addr who are not passed on yet: half of them have not said which
    // service they want, with the others hands are being shaken.
    std::size_t looks() const;

    // Of visitors who speak HTTP and have no request under way.
    std::size_t http_visitors() const;

    // Of those of them whose answers take a while, and as many more whose logins do.
    std::size_t http_answers() const;

    // Of streams that wait for the next request.
    std::size_t http_streams() const;

    // Of visitors with their data connections, beside the links and services that there are now.
    std::size_t visitors() const;

    // Of services with addresses of their own. Each takes a descriptor, and most of those are for
    // visitors.
    std::size_t services() const { return usable() / 4; }

    // There is no other service from which visitors could be kept.
    bool is_only_service() const { return services_ == 1; }

private:
    const RemoteOptions& options_;
    const OriginLinks& links_;
    std::size_t services_ = 0;
    std::size_t listeners_ = 0;
    bool has_http_ = false;
};

} // namespace tunnel
