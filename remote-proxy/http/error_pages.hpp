// Pages that say why a request is not served.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>

#include "common/http/response.hpp"
#include "remote-proxy/http/own_answer.hpp"

namespace tunnel {

// Our own page, or those of the user. Read once and unchanged afterwards, so that threads may share
// it.
class ErrorPages {
public:
    static constexpr std::size_t largest_page = 256 * 1024;

    // All are our own.
    ErrorPages() = default;

    // Those in a folder: "404.html" for one status, "error.html" for all that have none of their
    // own. Throws std::runtime_error, which names the file, if one cannot be read or is too large,
    // if "xyz.html" or "200.html" could never be shown, or if the folder has none.
    static ErrorPages read(const std::string& folder);

    // As a web page, JSON or plain text, whichever `accept` prefers: the Accept header of the
    // request, empty if it has none. `host` is the name that was asked for, as the visitor wrote
    // it; it is shown escaped, empty: not shown. Pages of the user are sent as they are, unless
    // JSON or plain text is preferred.
    Response response(const OwnAnswer& answer, std::string_view accept,
                      std::string_view host) const;

private:
    std::map<unsigned, std::string> pages_; // by status, 0 for "error.html"
};

} // namespace tunnel
