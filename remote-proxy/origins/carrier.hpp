// An origin proxy as its visitors know it: they may outlive its control connection.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "common/base/ids.hpp"
#include "common/relay/bandwidth.hpp"
#include "remote-proxy/origins/origin_name.hpp"

namespace tunnel {

// One log-in. Its link and the visitors that it was told of share it.
struct Carrier {
    std::uint64_t link = 0;              // the number of its link
    std::string credential{};            // its name
    std::optional<RandomBytes> secret{}; // none: a certificate, or nothing
    OriginId origin{};
    std::uint64_t group = 0; // of its visitors, for Relay::end_group()
    std::shared_ptr<const OriginName> name{};
    std::shared_ptr<SharedLimits> bandwidth{};
    std::size_t visitors = 0; // that it was told of and that are here
};

} // namespace tunnel
