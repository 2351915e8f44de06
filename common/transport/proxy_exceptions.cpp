#include "common/transport/proxy_exceptions.hpp"

#include <algorithm>
#include <cctype>
#include <optional>
#include <string>

#include "common/base/number.hpp"
#include "common/transport/cidr.hpp"

namespace tunnel {

namespace {

std::optional<asio::ip::address> literal_in(std::string_view text)
{
    if (text.starts_with('[') && text.ends_with(']'))
        text = text.substr(1, text.size() - 2);
    text = text.substr(0, text.find('%'));
    std::error_code error;
    const auto address = asio::ip::make_address(std::string(text), error);
    return error ? std::nullopt : std::optional(address);
}

// "10.0.0.0/8", or one address.
bool is_in_network(std::string_view entry, const asio::ip::address& host)
{
    const std::size_t slash = entry.find('/');
    const auto address = literal_in(entry.substr(0, slash));
    if (!address)
        return false;
    const unsigned most = address->is_v4() ? 32 : 128;
    std::optional<std::uint64_t> length = most;
    if (slash != std::string_view::npos)
        length = parse_number(entry.substr(slash + 1));
    return length && *length <= most &&
           Cidr(*address, static_cast<unsigned>(*length)).contains(host);
}

std::string_view without_last_dot(std::string_view name)
{
    return name.ends_with('.') ? name.substr(0, name.size() - 1) : name;
}

bool is_same_text(std::string_view one, std::string_view other)
{
    return std::ranges::equal(one, other, [](unsigned char a, unsigned char b) {
        return std::tolower(a) == std::tolower(b);
    });
}

// The name itself, or one below it.
bool is_below(std::string_view host, std::string_view name)
{
    if (name.empty() || host.size() < name.size() ||
        !is_same_text(host.substr(host.size() - name.size()), name))
        return false;
    return host.size() == name.size() || host[host.size() - name.size() - 1] == '.';
}

} // namespace

bool is_proxy_exception(std::string_view list, std::string_view host)
{
    if (host.empty()) // this machine
        host = "localhost";
    const auto address = literal_in(host);
    constexpr std::string_view between = ", \t";
    while (!list.empty()) {
        const std::size_t end = std::min(list.find_first_of(between), list.size());
        std::string_view entry = list.substr(0, end);
        list.remove_prefix(std::min(end + 1, list.size()));
        if (entry == "*")
            return true;
        if (entry.starts_with("*."))
            entry.remove_prefix(1);
        if (entry.starts_with('.'))
            entry.remove_prefix(1);
        if (address ? is_in_network(entry, *address)
                    : is_below(without_last_dot(host), without_last_dot(entry)))
            return true;
    }
    return false;
}

} // namespace tunnel
