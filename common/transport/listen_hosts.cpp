#include "common/transport/listen_hosts.hpp"

namespace tunnel {

tcp::endpoint ListenHosts::endpoint(const Address& address)
{
    if (const auto found = known_.find(address.host); found != known_.end())
        return {found->second, address.port};
    const tcp::endpoint endpoint = endpoint_to_listen(io_, address);
    std::error_code is_name;
    asio::ip::make_address(address.host, is_name);
    if (is_name && !address.host.empty()) // else there may be any number of them
        known_.emplace(address.host, endpoint.address());
    return endpoint;
}

} // namespace tunnel
