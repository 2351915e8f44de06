// The server's name in a TLS ClientHello, which is what a visitor says first: it tells which server
// it wants before anything is encrypted. RFC 8446, sections 4.1.2 and 5.1, and RFC 6066, section 3.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

namespace tunnel {

// A hello with its header of 4 bytes; none is taken that is longer. A browser's with a post-quantum
// key share has 1.9 KB, and may have a session ticket besides.
inline constexpr std::size_t largest_hello_message = 16 * 1024;

// Some split their hello to get past filters.
inline constexpr std::size_t most_hello_records = 64;

// Of the first bytes of a stream these at most need to be looked at: with so many at hand a hello
// is never "not whole". The message, and the headers of as many records as are taken.
inline constexpr std::size_t most_hello_bytes = largest_hello_message + most_hello_records * 5;

struct HelloName {
    std::string name{}; // canonical (host_name.hpp); empty: the hello has none, or it is not valid
    bool is_valid = true; // false: it has one that is no host name, but an IP address, say

    friend bool operator==(const HelloName&, const HelloName&) = default;
};

enum class NoHello : std::uint8_t {
    not_whole,  // it may become one
    not_tls,    // it does not begin as TLS does, nor as any of the next two
    plain_http, // the beginning of a request, as HTTP has it without TLS
    old_ssl,    // a hello of SSL 2, which can tell no name
    malformed,  // it begins as TLS does, and is no hello
    too_large,  // longer than largest_hello_message, in too many records, or one of more than 2^14
};

// The name in the hello that `bytes` begin with, or why there is none. `bytes` are the first of the
// stream, as far as they have come; what follows the hello does not matter. What is wrong with the
// records or the message's header is told as soon as it shows, what is wrong in the message when
// it is whole: until then only headers are looked at. Of a hello with an encrypted one within
// (ECH) it is the outer name.
std::variant<HelloName, NoHello> find_hello_name(std::string_view bytes);

// Why a handshake ends (RFC 8446, section 6).
enum class TlsAlert : std::uint8_t {
    unexpected_message = 10,
    record_overflow = 22,
    handshake_failure = 40,
    decode_error = 50,
    protocol_version = 70,
    internal_error = 80,
    unrecognized_name = 112,
};

// A record with a fatal alert, in clear, as a server of any version of TLS may answer a hello.
constexpr std::array<char, 7> fatal_alert(TlsAlert alert)
{
    constexpr char alert_record = 21;
    constexpr char fatal = 2;
    return {alert_record, 3, 1, 0, 2, fatal, static_cast<char>(alert)};
}

} // namespace tunnel
