// An origin proxy that is logged in, as the registry knows it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "common/base/asio.hpp"
#include "common/protocol/frame.hpp"
#include "remote-proxy/origins/origin_name.hpp"

namespace tunnel {

struct RegisteredOrigin {
    // What it has offered, and what it was told of it last.
    struct Offered {
        std::string outside_address;             // that it asked for, or empty
        PublicNames names{};                     // as well
        bool speaks_http = false;                // visitors at that address do
        HttpSettings http{};                     // of visitors who speak HTTP
        std::uint64_t number = 0;                // of its latest offer
        std::optional<DeclineReason> declined{}; // else it is open
        std::string told{};                      // the frame that said so, without the number
    };

    // Nothing was proved: it could be anybody.
    bool is_anybody() const { return credential.empty(); }

    std::uint64_t link = 0; // its number
    std::shared_ptr<const OriginName> name{};
    std::string credential{};                // its name; empty: nothing was proved
    std::string address{};                   // "ip:port"
    bool offers_services = false;            // one by one; else it has the one of its log-in
    bool sends_headers = false;              // that an announcement asks for
    bool drained = false;                    // takes no new visitors
    std::map<std::string, Offered> offers{}; // by the service's name
    std::size_t login_bytes = 0;             // of all of them
    std::set<std::string> unhealthy{};       // services, as its checks say
    Clock::time_point listens_again{};       // not before this, where that has failed
    std::string listened_last{};             // the offer for which that was tried last
};

using RegisteredOrigins = std::map<std::uint64_t, RegisteredOrigin>; // by links: the oldest first

} // namespace tunnel
