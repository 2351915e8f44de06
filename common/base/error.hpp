// Failures of our own that callers distinguish; all others are std::error_codes of the system.
#pragma once

#include <string>
#include <system_error>

namespace tunnel {

enum class Errc {
    not_our_protocol = 1, // the first bytes are not the magic
    malformed_frame,      // a frame whose sizes or required fields are wrong
    unexpected_frame,     // a well-formed frame where it makes no sense
    heartbeat_timeout,    // the peer has been silent for too long
    unknown_ticket,       // never issued, used, expired, or its control connection is gone
    cannot_resolve,       // a name without addresses
    closed_by_peer,       // the peer ended an exchange that was not finished
    wrong_secret,         // the peer does not know the same secret
    no_encryption,        // the peer does not speak TLS here
    cut_short,            // the peer closed the connection during the handshake
    untrusted_certificate,
    certificate_refused, // the remote proxy refuses our certificate
    handshake_failed,    // the TLS handshake failed for another reason
    no_such_data,        // the remote proxy does not expect this data connection
    no_proof,            // the peer did not prove that it knows the secret
    no_proxy_header,     // the stream does not begin with a PROXY protocol header
    malformed_proxy_header,
    too_many_unknown,   // frames of unknown kinds where another frame is due
    no_data_in_records, // the peer sends TLS records that only cost time
    peer_takes_nothing, // the peer does not read what it is sent
    proxy_unreachable,  // the HTTP or SOCKS5 proxy that leads out, as in the next three
    proxy_login_refused,
    proxy_refused,
    not_a_proxy,
};

const std::error_category& error_category();

std::error_code make_error_code(Errc errc);

// errno, right after a system call that failed.
std::error_code last_error();

// Throws the failure with its context in front: "dial 10.0.0.1:80: timed out".
[[noreturn]] void fail(std::error_code code, const std::string& what);

} // namespace tunnel

template <>
struct std::is_error_code_enum<tunnel::Errc> : std::true_type {
};
