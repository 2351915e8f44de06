// What the origin proxy is told of one service.
#pragma once

#include <optional>
#include <string>

#include "common/transport/address.hpp"
#include "common/transport/http_settings.hpp"
#include "common/transport/server_address.hpp"
#include "common/transport/service_kind.hpp"
#include "origin-proxy/options/service_rules.hpp"

namespace tunnel {

struct OriginService {
    std::string name;
    ServerAddress origin_server_address;
    // Where visitors are to connect to; none: as the remote proxy's own options say for the name.
    std::optional<Address> outside_address{};
    ServingRules rules{};
    PublicNames names{};      // in the place of the outside address
    bool speaks_http = false; // visitors at the outside address do
    HttpSettings http{}; // what is offered if they may, out of the rules and the file they name

    // Its visitors speak HTTP with the remote proxy.
    bool is_http() const { return speaks_http || is_http_kind(names.kind); }

    // They do, or the remote proxy may say so: it says where the service is.
    bool may_be_http() const { return is_http() || (!outside_address && !names.given()); }

    friend bool operator==(const OriginService&, const OriginService&) = default;
};

} // namespace tunnel
