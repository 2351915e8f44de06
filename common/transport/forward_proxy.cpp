#include "common/transport/forward_proxy.hpp"

#include <algorithm>
#include <cctype>
#include <optional>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "common/base/log.hpp"
#include "common/base/refuse_text.hpp"

namespace tunnel {

namespace {

constexpr std::string_view behind_scheme = "://";
constexpr std::string_view masked_password = "***";
constexpr std::uint16_t socks_port = 1080;

// Where the password of a URL begins and ends. It may hold anything, also "@" and "/" that should
// have been written as %40 and %2F.
struct PasswordPlace {
    std::size_t begin;
    std::size_t end;
};

std::optional<PasswordPlace> password_place(std::string_view url)
{
    const std::size_t scheme = url.find(behind_scheme);
    const std::size_t first = scheme == std::string_view::npos ? 0 : scheme + behind_scheme.size();
    const std::size_t at = url.rfind('@');
    if (at == std::string_view::npos || at < first)
        return std::nullopt;
    const std::size_t colon = url.find(':', first);
    return colon < at ? std::optional(PasswordPlace{colon + 1, at}) : std::nullopt;
}

int hex_value(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

// RFC 3986 2.1; nullopt: a percent sign without two digits behind it.
std::optional<std::string> decode_percent(std::string_view text)
{
    std::string decoded;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            decoded += text[i];
            continue;
        }
        if (text.size() - i < 3 || hex_value(text[i + 1]) < 0 || hex_value(text[i + 2]) < 0)
            return std::nullopt;
        decoded += static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
        i += 2;
    }
    return decoded;
}

bool has_control_character(std::string_view text)
{
    return std::ranges::any_of(text, [](unsigned char each) { return each < ' ' || each == 127; });
}

ForwardProxy::Kind read_scheme(std::string_view scheme)
{
    std::string lower(scheme);
    for (char& c : lower)
        c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (lower == "http")
        return ForwardProxy::Kind::http;
    if (lower == "socks5" || lower == "socks5h")
        return ForwardProxy::Kind::socks5;
    if (lower == "https")
        throw std::invalid_argument(
            "\"https://\" would be TLS to the proxy itself, which is not spoken here, expected "
            "http:// or socks5://; what passes through it is encrypted all the same");
    refuse_text(lower + "://",
                "a kind of proxy that is spoken here, expected http:// or socks5://");
}

// What stands before the "@".
void read_login(std::string_view text, ForwardProxy& proxy)
{
    const std::size_t colon = text.find(':');
    const auto user = decode_percent(text.substr(0, colon));
    const auto password =
        decode_percent(colon == std::string_view::npos ? "" : text.substr(colon + 1));
    const auto refuse = [](std::string_view why) {
        throw std::invalid_argument(fmt::format("the login before the @ {}", why));
    };
    if (!user || !password)
        refuse("has a % that no two hexadecimal digits follow, expected %25 for the sign itself");
    if (user->empty())
        refuse("has no user");
    if (user->size() > ForwardProxy::longest_login)
        refuse(fmt::format("has a user of more than {} bytes", ForwardProxy::longest_login));
    if (has_control_character(*user))
        refuse("has a control character");
    // RFC 7617: the first colon ends the user.
    if (proxy.kind == ForwardProxy::Kind::http && user->find(':') != std::string::npos)
        refuse("has a user with a colon in it, which HTTP cannot send");
    if (const std::string why = objection_to_proxy_password(*password); !why.empty())
        throw std::invalid_argument(why);
    if (*password == masked_password)
        throw std::invalid_argument("the password is masked, as print-config does it, expected "
                                    "the password itself, or --connect-through-password-file");
    proxy.user = *user;
    proxy.password = *password;
}

} // namespace

ForwardProxy read_forward_proxy(std::string_view text)
{
    ForwardProxy proxy;
    const std::string masked_text = mask_password(text);
    std::string_view rest = text;
    if (const std::size_t end = rest.find(behind_scheme); end != std::string_view::npos) {
        proxy.kind = read_scheme(rest.substr(0, end));
        rest.remove_prefix(end + behind_scheme.size());
    }
    if (const std::size_t at = rest.rfind('@'); at != std::string_view::npos) {
        read_login(rest.substr(0, at), proxy);
        rest.remove_prefix(at + 1);
    }
    if (rest.ends_with('/')) // as many environments have it
        rest.remove_suffix(1);
    std::string where(rest);
    const bool has_port = rest.find_last_of(":]") != std::string_view::npos && !rest.ends_with(']');
    if (!has_port && !rest.empty() && proxy.kind == ForwardProxy::Kind::socks5)
        where += fmt::format(":{}", socks_port);
    else if (!has_port && !rest.empty())
        throw std::invalid_argument(fmt::format("\"{}\" has no port, expected {}",
                                                log::escape(masked_text), forward_proxy_syntax));
    const auto address = parse_address(where);
    if (!address || address->host.empty() || address->port == 0)
        refuse_text(masked_text, forward_proxy_syntax);
    proxy.address = *address;
    return proxy;
}

std::string to_string(const ForwardProxy& proxy)
{
    return fmt::format("{}://{}{}{}", proxy.kind == ForwardProxy::Kind::http ? "http" : "socks5",
                       proxy.user, proxy.has_login() ? "@" : "", to_string(proxy.address));
}

std::string objection_to_proxy_password(std::string_view password)
{
    if (password.size() > ForwardProxy::longest_login)
        return fmt::format("the password of the proxy has more than {} bytes",
                           ForwardProxy::longest_login);
    if (has_control_character(password))
        return "the password of the proxy has a control character";
    return {};
}

bool has_password(std::string_view url)
{
    return password_place(url).has_value();
}

std::string mask_password(std::string_view url)
{
    const auto place = password_place(url);
    if (!place)
        return std::string(url);
    return fmt::format("{}{}{}", url.substr(0, place->begin), masked_password,
                       url.substr(place->end));
}

} // namespace tunnel
