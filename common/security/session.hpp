// What the two proxies share after a log-in, and how data connections prove that they belong to it.
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

// The key of a data connection: bound to this session and, by `once`, to this one connection. For a
// dial-back `once` is the ticket.
PresharedKey data_key(const SessionId& session, const Key& session_key, const RandomBytes& once);

// Parses an identity; bytes from the network.
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
