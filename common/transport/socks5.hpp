// SOCKS5 (RFC 1928), as a client that asks for one connection, with or without a login (RFC 1929).
// No sockets. The decoders get all bytes of one answer that have come so far.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "common/transport/address.hpp"
#include "common/transport/forward_proxy.hpp"
#include "common/transport/proxy_answer.hpp"

namespace tunnel::socks5 {

// No answer is longer: a reply with a name of 255 bytes in it.
inline constexpr std::size_t largest_answer = 4 + 1 + 255 + 2;

// The first bytes, with the methods of login that are offered.
std::string greeting(const ForwardProxy& proxy);
ProxyAnswer read_method(std::string_view bytes, const ForwardProxy& proxy);

// User and password, which are in clear on the way to the proxy.
std::string login(const ForwardProxy& proxy);
ProxyAnswer read_login_answer(std::string_view bytes);

// A name is for the proxy to look up. The host is one that parse_address() takes.
std::string connect_request(const Address& target);
ProxyAnswer read_reply(std::string_view bytes);

} // namespace tunnel::socks5
