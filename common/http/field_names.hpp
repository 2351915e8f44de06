// Names and values of header fields: which of them mean something to a proxy, and how lists of them
// are taken apart.
#pragma once

#include <cstdint>
#include <string_view>

namespace tunnel {

// The fields that a proxy sets, drops or reads; no other one concerns it.
enum class KnownField : std::uint8_t {
    other,
    authorization,
    connection,
    content_encoding,
    content_length,
    content_range,
    content_type,
    cookie,
    expect,
    forwarded,
    host,
    http2_settings,
    keep_alive,
    proxy_authenticate,
    proxy_authorization,
    proxy_connection,
    te,
    trailer,
    transfer_encoding,
    upgrade,
    www_authenticate,
    x_forwarded, // X-Forwarded-* but the following
    x_forwarded_for,
    x_forwarded_host,
    x_forwarded_proto,
    x_forwarded_user,
    x_real_ip,
};

struct KnownName {
    KnownField field = KnownField::other;
    // Written with other signs in the place of dashes, X_Forwarded_For: what gives a program fields
    // as variables (CGI, WSGI) makes the two the same.
    bool is_misspelt = false;

    friend bool operator==(const KnownName&, const KnownName&) = default;
};

KnownName known_name(std::string_view field_name);

// Compares letters of ASCII without their case.
bool same_word(std::string_view one, std::string_view other);

// RFC 9110 5.6.2: what names and methods are made of.
bool is_token_char(char c);

inline bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

// Takes the next member off the comma-separated list; it may be empty, and has no blanks around it.
std::string_view take_member(std::string_view& list);

// Whether one of the list's members is this word.
bool has_member(std::string_view list, std::string_view word);

} // namespace tunnel
