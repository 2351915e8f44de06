#include "common/http/host_header.hpp"

#include <system_error>

#include <fmt/format.h>

#include "common/base/asio.hpp"
#include "common/base/log.hpp"
#include "common/base/number.hpp"
#include "common/transport/host_name.hpp"
#include "common/transport/http_settings.hpp"

namespace tunnel {

namespace {

bool is_ip_address(const std::string& text)
{
    std::error_code error;
    asio::ip::make_address(text, error);
    return !error && text.find('%') == std::string::npos;
}

// Without a port.
bool is_host(std::string_view text)
{
    if (text.starts_with('[') && text.ends_with(']')) {
        text = text.substr(1, text.size() - 2);
        return text.find(':') != std::string_view::npos && is_ip_address(std::string(text));
    }
    return canonical_host_name(text) ||
           (text.find(':') == std::string_view::npos && is_ip_address(std::string(text)));
}

} // namespace

std::string objection_to_host_header(std::string_view text)
{
    const std::string expected = fmt::format(
        "\"{}\" is no host, expected a name or an IP address, and a port behind it if the origin "
        "server wants one: localhost:5173",
        log::escape(text.substr(0, longest_host_header)));
    if (text.empty() || text.size() > longest_host_header)
        return expected;
    const std::size_t colon = text.rfind(':');
    const bool has_port = colon != std::string_view::npos && !text.ends_with(']');
    if (!is_host(text.substr(0, has_port ? colon : text.size())))
        return text.find("://") == std::string_view::npos
                   ? expected
                   : fmt::format("{}, without http://", expected);
    constexpr std::uint32_t highest = 65535;
    if (!has_port)
        return {};
    const auto port = parse_number(text.substr(colon + 1));
    return port && *port > 0 && *port <= highest ? std::string() : expected;
}

} // namespace tunnel
