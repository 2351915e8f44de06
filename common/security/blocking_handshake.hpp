// The TLS handshake of a command, which has nothing else to do meanwhile.
#pragma once

#include <string>

#include "common/base/clock.hpp"
#include "common/security/tls_context.hpp"
#include "common/transport/tls.hpp"

namespace tunnel {

// Shakes hands as the dialling end, on a connected TCP socket, and makes it non-blocking. The
// peer's certificate must be for `host`, a name or an address; if that is empty, it must be the one
// that the context knows. Throws std::system_error when the socket fails or the limit is over, and
// std::runtime_error with what is wrong and what to do about it, to stand behind the peer's name.
Tls shake_hands(const TlsContext& context, int descriptor, const std::string& host,
                Clock::time_point limit);

// Waits until the socket is ready, to be written or read. False, with errno, at the limit.
bool wait_until_ready(int descriptor, bool to_write, Clock::time_point limit);

} // namespace tunnel
