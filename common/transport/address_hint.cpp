#include "common/transport/address_hint.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "common/base/log.hpp"
#include "common/transport/address.hpp"

namespace tunnel {

namespace {

constexpr std::size_t longest_text = 300; // longer than any host name
constexpr std::uint32_t highest_port = 65535;

bool is_space(char c)
{
    return std::isspace(static_cast<unsigned char>(c)) != 0;
}

bool is_number(std::string_view text)
{
    return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

bool is_too_high(std::string_view digits)
{
    std::uint32_t number = 0;
    for (const char c : digits) {
        number = number * 10 + static_cast<std::uint32_t>(c - '0');
        if (number > highest_port)
            return true;
    }
    return false;
}

bool is_v6(std::string_view text)
{
    return parse_address(fmt::format("[{}]:0", text)).has_value();
}

bool may_be_host(std::string_view text)
{
    return !text.empty() && parse_address(fmt::format("{}:0", text)).has_value();
}

std::string shown(std::string_view text)
{
    return log::escape(text);
}

std::string did_you_mean_address(std::string_view text)
{
    return fmt::format("did you mean {}?", shown(text));
}

// Ports that are known by name.
std::string_view port_called(std::string_view name)
{
    constexpr std::array<std::pair<std::string_view, std::string_view>, 6> known{{{"http", "80"},
                                                                                  {"https", "443"},
                                                                                  {"ws", "80"},
                                                                                  {"wss", "443"},
                                                                                  {"ssh", "22"},
                                                                                  {"smtp", "25"}}};
    const auto* const found =
        std::ranges::find(known, name, &std::pair<std::string_view, std::string_view>::first);
    return found == known.end() ? std::string_view() : found->second;
}

// As a browser has it: "http://user@example.com:9001/page".
struct Url {
    std::string scheme{}; // empty: none
    std::string address{};
    bool has_path = false;
};

Url take_apart(std::string_view text)
{
    Url url;
    if (const std::size_t at = text.find("://"); at != std::string_view::npos) {
        url.scheme = text.substr(0, at);
        text.remove_prefix(at + 3);
    }
    const std::size_t path = text.find_first_of("/?#");
    url.has_path = path != std::string_view::npos;
    text = text.substr(0, path);
    if (const std::size_t at = text.rfind('@'); at != std::string_view::npos)
        text.remove_prefix(at + 1);
    url.address = text;
    return url;
}

// Without a scheme, a path and a user.
std::string hint_for_url(std::string_view text)
{
    const Url url = take_apart(text);
    if (url.address.size() == text.size())
        return {};
    std::string address = url.address;
    if (!parse_address(address) && !port_called(url.scheme).empty())
        address += fmt::format(":{}", port_called(url.scheme));
    std::string what = "an address has no user and no path";
    if (!url.scheme.empty())
        what = fmt::format("without {}://{}", shown(url.scheme), url.has_path ? " and path" : "");
    if (parse_address(address))
        return fmt::format("{}: did you mean {}?", what, shown(address));
    const std::string more = hint_for_address(url.address, AddressForms::tcp);
    return more.empty() ? what : fmt::format("{}; {}", what, more);
}

std::string hint_for_spaces(std::string_view text)
{
    if (std::ranges::none_of(text, is_space))
        return {};
    std::string all(text);
    while (!all.empty() && is_space(all.back()))
        all.pop_back();
    all.erase(0, static_cast<std::size_t>(std::ranges::find_if_not(all, is_space) - all.begin()));
    if (parse_address(all))
        return did_you_mean_address(all);
    // "example.com 9001", "example.com : 9001".
    std::string host = all.substr(0, all.find_first_of(" \t:"));
    const std::string port = all.substr(std::min(all.find_last_of(" \t:") + 1, all.size()));
    std::string between = all.substr(host.size());
    between.resize(between.size() - std::min(port.size(), between.size()));
    const bool is_gap =
        std::ranges::all_of(between, [](char c) { return is_space(c) || c == ':'; });
    if (is_gap && is_number(port) && parse_address(fmt::format("{}:{}", host, port)))
        return did_you_mean_address(fmt::format("{}:{}", host, port));
    return "an address has no spaces";
}

std::string hint_for_brackets(std::string_view text)
{
    if (text.starts_with('[')) {
        const std::size_t end = text.find(']');
        if (end == std::string_view::npos) {
            const std::string_view inside = text.substr(1);
            const std::size_t colon = inside.rfind(':');
            const std::string_view port =
                colon == std::string_view::npos ? "" : inside.substr(colon + 1);
            if (is_v6(inside) && !is_v6(inside.substr(0, colon)))
                return fmt::format("the ] is missing: did you mean [{}]:PORT?", shown(inside));
            if (is_number(port) && is_v6(inside.substr(0, colon)))
                return fmt::format("the ] is missing: did you mean [{}]:{}?",
                                   shown(inside.substr(0, colon)), port);
            return "the ] behind the IPv6 address is missing";
        }
        const std::string_view inside = text.substr(1, end - 1);
        const std::string_view behind = text.substr(end + 1);
        if (!is_v6(inside)) {
            if (may_be_host(inside) && parse_address(fmt::format("{}{}", inside, behind)))
                return did_you_mean_address(fmt::format("{}{}", inside, behind));
            return "there is no IPv6 address in the brackets";
        }
        if (behind.empty() || behind == ":")
            return fmt::format("the port is missing: did you mean [{}]:PORT?", shown(inside));
        if (is_number(behind))
            return did_you_mean_address(fmt::format("[{}]:{}", inside, behind));
        return {};
    }
    if (std::ranges::count(text, ':') < 2)
        return {};
    const std::size_t colon = text.rfind(':');
    const std::string_view host = text.substr(0, colon);
    const std::string_view port = text.substr(colon + 1);
    if (is_number(port) && is_v6(host) && !is_too_high(port))
        return fmt::format("an IPv6 address stands in brackets: did you mean [{}]:{}?", shown(host),
                           port);
    if (is_v6(text))
        return fmt::format("an IPv6 address stands in brackets, with the port behind them: did you "
                           "mean [{}]:PORT?",
                           shown(text));
    return {};
}

std::string hint_for_port(std::string_view text)
{
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) {
        if (is_number(text))
            return is_too_high(text) ? fmt::format("a port is at most {}", highest_port)
                                     : fmt::format("did you mean :{}?", text);
        return may_be_host(text)
                   ? fmt::format("the port is missing: did you mean {}:PORT?", shown(text))
                   : std::string();
    }
    const std::string_view host = text.substr(0, colon);
    const std::string_view port = text.substr(colon + 1);
    if (host == "*" && is_number(port) && !is_too_high(port))
        return fmt::format("did you mean :{}?", port);
    if (port.empty())
        return fmt::format("the port is missing: did you mean {}:PORT?", shown(host));
    if (is_number(port) && is_too_high(port))
        return fmt::format("a port is at most {}", highest_port);
    if (const std::string_view number = port_called(port); !number.empty())
        return fmt::format("a port is a number: did you mean {}:{}?", shown(host), number);
    const std::size_t dash = port.find('-');
    if (dash != std::string_view::npos && is_number(port.substr(0, dash)) &&
        is_number(port.substr(dash + 1)))
        return "it is one port here, and not several side by side";
    if (!is_number(port)) {
        if (is_number(host) && may_be_host(port))
            return did_you_mean_address(fmt::format("{}:{}", port, host));
        return "a port is a number";
    }
    return host.empty() ? std::string()
                        : "letters, digits, dots and dashes make the name of a host";
}

std::string hint_for_path(std::string_view text, AddressForms forms)
{
    const bool is_socket = text.starts_with("unix:");
    if (forms == AddressForms::tcp && (is_socket || text.starts_with('/')))
        return "a Unix socket cannot be given here";
    if (text.starts_with('/'))
        return did_you_mean_address(fmt::format("unix:{}", text));
    if (text.starts_with("unix://"))
        return did_you_mean_address(fmt::format(
            "unix:/{}", text.substr(std::min(text.find_first_not_of('/', 5), text.size()))));
    return {};
}

} // namespace

std::string hint_for_address(std::string_view text, AddressForms forms)
{
    if (text.empty() || text.size() > longest_text)
        return {};
    if (std::string hint = hint_for_path(text, forms); !hint.empty())
        return hint;
    if (std::string hint = hint_for_spaces(text); !hint.empty())
        return hint;
    if (std::string hint = hint_for_url(text); !hint.empty())
        return hint;
    if (std::string hint = hint_for_brackets(text); !hint.empty())
        return hint;
    return hint_for_port(text);
}

} // namespace tunnel
