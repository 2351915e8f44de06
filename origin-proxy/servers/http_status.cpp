#include "origin-proxy/servers/http_status.hpp"

#include <algorithm>

namespace tunnel {

// RFC 9112, section 4: HTTP-version SP status-code SP [ reason-phrase ] CRLF. Servers leave the
// second space out.
std::optional<int> http_status(std::string_view bytes)
{
    constexpr std::string_view form = "HTTP/1.d ddd"; // d: a digit
    const auto fits = [](char c, char wanted) {
        return wanted == 'd' ? c >= '0' && c <= '9' : c == wanted;
    };
    for (;;) {
        const std::size_t there = std::min(bytes.size(), form.size());
        if (!std::ranges::equal(bytes.substr(0, there), form.substr(0, there), fits))
            return 0;
        if (bytes.size() <= form.size())
            return std::nullopt;
        const int status = (bytes[9] - '0') * 100 + (bytes[10] - '0') * 10 + (bytes[11] - '0');
        const char behind = bytes[form.size()];
        if ((behind != ' ' && behind != '\r') || status < 100 || status > 599 || status == 101)
            return 0;
        if (status >= 200)
            return bytes.find("\r\n") == std::string_view::npos ? std::nullopt
                                                                : std::optional(status);
        const std::size_t end = bytes.find("\r\n\r\n");
        if (end == std::string_view::npos)
            return std::nullopt;
        bytes.remove_prefix(end + 4);
    }
}

} // namespace tunnel
