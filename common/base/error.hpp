// Failures of our own that a caller tells apart; everything else is a std::error_code of the
// system.
#pragma once

#include <string>
#include <system_error>

namespace tunnel {

enum class Errc {
    not_our_protocol = 1, // the first bytes are not the magic
    malformed_frame,      // a frame whose sizes or required fields are wrong
    unexpected_frame,     // a well-formed frame at a place where it has no meaning
    heartbeat_timeout,    // the peer has been silent for too long
    unknown_ticket,       // never told, told on a control connection that is gone, used, or expired
    cannot_resolve,       // a name without addresses
    closed_by_peer,       // the peer ended an exchange that was not finished
    wrong_secret,         // the peer does not know the same secret
    no_encryption,        // the peer does not speak TLS here
    cut_short,            // the peer ended the handshake without a word
    untrusted_certificate,
    certificate_refused, // by the remote proxy: ours
    handshake_failed,    // TLS could not be agreed on for another reason
    no_such_data,        // the remote proxy does not expect this data connection
    no_proof,            // of knowing the secret
    no_proxy_header,     // the first bytes are none of the PROXY protocol
    malformed_proxy_header,
    too_many_unknown,   // frames of unknown kinds where another one is due
    no_data_in_records, // the peer sends TLS records that only cost time
};

const std::error_category& error_category();

std::error_code make_error_code(Errc errc);

// What the system call that failed just now has left in errno.
std::error_code last_error();

// The failure with what was being done, and to whom, before it: "dial 10.0.0.1:80: timed out".
[[noreturn]] void fail(std::error_code code, const std::string& what);

} // namespace tunnel

template <>
struct std::is_error_code_enum<tunnel::Errc> : std::true_type {
};
