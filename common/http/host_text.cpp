#include "common/http/host_text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include <arpa/inet.h>

#include "common/transport/host_name.hpp"

namespace tunnel {

namespace {

bool is_ip_address(int family, std::string_view text)
{
    std::array<char, INET6_ADDRSTRLEN> written{}; // with its final zero
    std::array<unsigned char, sizeof(in6_addr)> address{};
    if (text.size() >= written.size() || text.find('\0') != std::string_view::npos)
        return false;
    std::ranges::copy(text, written.begin());
    return ::inet_pton(family, written.data(), address.data()) == 1;
}

// Nothing, ":", or ":" and a number.
bool read_port(std::string_view text, std::uint16_t& port)
{
    if (text.empty() || text == ":")
        return true;
    const char* const last = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data() + 1, last, port);
    return text.front() == ':' && error == std::errc() && end == last && port != 0;
}

} // namespace

std::optional<HostText> parse_host_text(std::string_view text)
{
    HostText host;
    if (text.empty())
        return host;
    if (text.front() == '[') {
        const std::size_t end = text.find(']');
        if (end == std::string_view::npos || !read_port(text.substr(end + 1), host.port))
            return std::nullopt;
        host.address = text.substr(1, end - 1);
        return is_ip_address(AF_INET6, host.address) ? std::optional(host) : std::nullopt;
    }
    const std::size_t colon = std::min(text.find(':'), text.size());
    if (!read_port(text.substr(colon), host.port))
        return std::nullopt;
    const std::string_view without_port = text.substr(0, colon);
    if (auto name = canonical_host_name(without_port)) {
        host.name = std::move(*name);
        return host;
    }
    host.address = without_port;
    return is_ip_address(AF_INET, host.address) ? std::optional(host) : std::nullopt;
}

} // namespace tunnel
