// What is examined in a TLS ClientHello before the library answers it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

struct ssl_st; // OpenSSL's SSL

namespace tunnel {

// The identities in the extension pre_shared_key (RFC 8446, section 4.2.11) of a hello: the first
// ones, `most` of them at most. What follows a part that is malformed is left out; the library
// refuses the whole hello for that later.
std::vector<std::string_view> offered_identities(std::span<const std::uint8_t> extension,
                                                 std::size_t most);

// Whether the hello that OpenSSL has just got, see SSL_CTX_set_client_hello_cb(3), knows more kinds
// of key exchange than any client does. OpenSSL looks through all of them for each key that comes
// with it.
bool has_too_many_groups(ssl_st* ssl);

} // namespace tunnel
