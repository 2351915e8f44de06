// Connects a visitor to an origin server on this machine, on the thread that will serve it.
#pragma once

#include <cstdint>
#include <utility>

#include "common/management/histogram.hpp"
#include "common/protocol/frame.hpp"
#include "common/relay/relay.hpp"
#include "common/transport/congestion.hpp"
#include "origin-proxy/link/data_dialler.hpp"
#include "origin-proxy/options/service_rules.hpp"

namespace tunnel {

// All that it needs is its own, but for `dials`, which must outlive it and counts from any thread.
class LocalOpener : public Opener {
public:
    struct Visit {
        Announce announce;
        Session session;      // in which it was announced
        std::uint64_t log_in; // its number
        Clock::time_point began;
    };

    LocalOpener(Visit visit, tcp::endpoint server, Congestion congestion, ProxyProtocol header,
                Histogram& dials);

    Channel open() override;

    // After open() has failed: what is needed to try it in another way.
    Visit take_visit() { return std::move(visit_); }

    // The same: set if the server has taken the connection, and broken it. So it knows of the
    // visitor, and is not to be asked again.
    std::error_code broken() const { return broken_; }

private:
    Visit visit_;
    tcp::endpoint server_;
    Congestion congestion_;
    ProxyProtocol header_;
    Histogram& dials_;
    std::error_code broken_;
};

} // namespace tunnel
