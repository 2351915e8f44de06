// The state of the remote proxy at one moment.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/asio.hpp"
#include "common/base/code.hpp"
#include "common/base/units.hpp"
#include "remote-proxy/http/http_service_counts.hpp"
#include "remote-proxy/registry/service_source.hpp"
#include "remote-proxy/visitors/counts.hpp"

namespace tunnel {

struct RemoteStatus {
    struct Service {
        std::string name;
        std::size_t visitors = 0; // present
        std::size_t origins = 0;  // origin proxies that serve it
        bool expected = false;    // without an origin proxy the program is not ready
        ServiceCounts counts{};
        std::string outside{}; // "ip:port"
        ServiceSource from{};
        bool drained = false;
        bool is_open = false;  // visitors can connect
        std::string absence{}; // why nobody serves it
        std::vector<std::string> served_by{};
        std::shared_ptr<const HttpServiceCounts> requests{}; // null: its visitors do not speak HTTP
    };

    // "open", "waiting" for an origin proxy, "closed" or "drained".
    static std::string_view state_of(const Service& service);

    struct Origin {
        std::string name; // as it is shown
        std::optional<microseconds> round_trip{};
        std::string credential{}; // the name of its secret or certificate
        std::string identity{};   // like `name`, but the same for twins
        std::string address{};    // "ip:port"
        std::string version{};
        bool encrypted = false;
        bool drained = false;
        Clock::duration age{};
        std::size_t visitors = 0;
        std::size_t parked = 0;
        std::vector<std::string> services{}; // that it serves
    };

    struct Refused {
        Code reason;
        std::uint64_t count;
    };

    // What became of visitors of addresses that services share.
    struct AtFront {
        std::string_view front; // "https" or "http"
        std::string_view result;
        std::uint64_t count;
    };

    bool stopping = false;
    std::vector<AtFront> at_fronts{}; // empty: there are no such addresses
    std::vector<Service> services{};
    std::vector<Origin> origins{};
    std::vector<Refused> visitors_refused{};
    std::vector<Refused> control_refused{}; // at the control address
    std::uint64_t log_ins_rejected = 0;
    std::uint64_t accept_failures = 0;
    std::size_t waiting = 0;
    std::size_t parked = 0;
    std::size_t http_streams = 0;           // that wait for a request
    std::size_t http_visitors = 0;          // who have none under way
    std::size_t visitor_capacity = 0;       // for so many there are descriptors
    std::vector<std::size_t> relay_loads{}; // pairs of each worker
    RemoteCounts counts{};
};

} // namespace tunnel
