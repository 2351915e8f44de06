// Whom the environment says to reach without a proxy.
#pragma once

#include <string_view>

namespace tunnel {

// Whether the list of NO_PROXY has the host, as curl reads it: entries with commas or blanks
// between them, each a name, which stands for all names below it too and may begin with a dot; an
// address; a network such as 10.0.0.0/8; or * for everybody. No name is resolved, and an entry that
// is none of these has no meaning.
bool is_proxy_exception(std::string_view list, std::string_view host);

} // namespace tunnel
