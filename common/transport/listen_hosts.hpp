// Names of hosts to listen on, looked up once.
#pragma once

#include <map>
#include <string>

#include "common/base/asio.hpp"
#include "common/transport/address.hpp"

namespace tunnel {

// A look-up blocks, which is no harm at the start. While the program serves a name that was known
// then costs nothing: a service that an origin proxy opens must not wait for a name server.
class ListenHosts {
public:
    explicit ListenHosts(asio::io_context& io) : io_(io) {}

    // As endpoint_to_listen().
    tcp::endpoint endpoint(const Address& address);

private:
    asio::io_context& io_;
    std::map<std::string, asio::ip::address> known_; // those of the options
};

} // namespace tunnel
