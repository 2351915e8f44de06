// CONNECT of HTTP/1.1 (RFC 9110 9.3.6), as a client that asks a proxy for one connection. No
// sockets.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "common/transport/address.hpp"
#include "common/transport/forward_proxy.hpp"
#include "common/transport/proxy_answer.hpp"

namespace tunnel {

// The request, with the login of the proxy if it has one (RFC 7617). A name is for the proxy to
// look up.
std::string http_connect_request(const Address& target, const ForwardProxy& proxy);

// Finds the end of the answer, of which no byte is looked at twice. Interim answers before it are
// skipped; all of them together are largest_head bytes at most.
class HttpConnectAnswer {
public:
    // `bytes`: all that have come so far.
    ProxyAnswer read(std::string_view bytes);

private:
    std::size_t begin_ = 0;    // of the head that is not whole yet
    std::size_t searched_ = 0; // of its bytes
};

} // namespace tunnel
