// Our own page about a request that is not served.
#pragma once

#include <string>
#include <string_view>

#include "remote-proxy/http/own_answer.hpp"

namespace tunnel {

// What a browser may do with it: run nothing, load nothing.
inline constexpr std::string_view own_page_policy =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'";

// At most 3 KiB, with nothing loaded from elsewhere, for light and dark screens. `host` is what the
// visitor asked for; it is cut and escaped.
std::string own_page(const OwnAnswer& answer, std::string_view host);

} // namespace tunnel
