// What the two proxies know together once an origin proxy has logged in, and how its data
// connections prove that they are of the same two.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/base/ids.hpp"
#include "common/security/handshake.hpp"
#include "common/security/key.hpp"
#include "common/security/secret.hpp"

namespace tunnel {

// The label of the exporter of a control connection, RFC 8446 section 7.5.
inline constexpr std::string_view exporter_label = "EXPERIMENTAL tunneled-reverse-proxy 1";

// A control connection's pre-shared key.
PresharedKey control_key(const Credential& credential);

// A data connection's: of this session, and of this one connection, which `once` makes unlike all
// others. For one that is dialled back it is the ticket.
PresharedKey data_key(const SessionId& session, const Key& session_key, const RandomBytes& once);

// Who shows an identity. Bytes from the network.
struct ControlIdentity {
    RandomBytes credential;
};

struct DataIdentity {
    SessionId session;
    RandomBytes once;
};

std::optional<ControlIdentity> parse_control_identity(std::string_view identity);
std::optional<DataIdentity> parse_data_identity(std::string_view identity);

} // namespace tunnel
