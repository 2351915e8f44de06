#include "origin-proxy/link/data_plane.hpp"

#include "common/relay/descriptors.hpp"

namespace tunnel {

DataPlane::DataPlane(asio::io_context& io, const OriginOptions& options)
    : services({io.get_executor(), options.dial_timeout, options.common.congestion},
               services_of(options), !options.services.empty()),
      dialler(io, options.dial_timeout, options.common.congestion),
      relay(relay_options(options.common, options.descriptor_limit)),
      bandwidth(options.bandwidth_per_origin),
      slots(0)
{
    relay.watch_also(idle.descriptor(), [this] { idle.work(); });
}

} // namespace tunnel
