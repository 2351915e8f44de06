#include "remote-proxy/http/forwarded_for.hpp"

#include <algorithm>

#include "common/http/field_names.hpp"

namespace tunnel {

namespace {

// Of those before the visitor: so what a visitor sends cannot become many times as long.
constexpr int most_hops = 32;
constexpr std::size_t longest_address = 64;

// What may stand in a Host header; so nothing in it needs a backslash.
bool is_host_char(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           std::string_view(".:_-[]").find(c) != std::string_view::npos;
}

bool is_address_char(char c)
{
    return (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || (c >= '0' && c <= '9') || c == '.' ||
           c == ':' || c == '[' || c == ']';
}

// A token as it is, another value quoted.
void append_value(std::string& out, std::string_view value)
{
    if (std::ranges::all_of(value, is_token_char))
        out.append(value);
    else
        out.append("\"").append(value).append("\"");
}

// RFC 7239 6.
void append_for(std::string& out, std::string_view address)
{
    out.append(out.empty() ? "for=" : ", for=");
    const std::size_t zone = std::min(address.find('%'), address.size());
    const bool is_known = zone > 0 && address.size() <= longest_address &&
                          std::ranges::all_of(address.substr(0, zone), is_address_char) &&
                          std::ranges::all_of(address.substr(zone), is_token_char);
    if (!is_known)
        out.append("unknown");
    else if (address.front() != '[' && std::ranges::count(address, ':') > 1)
        out.append("\"[").append(address).append("]\"");
    else
        append_value(out, address);
}

void append_host_and_scheme(std::string& out, std::string_view host, std::string_view scheme)
{
    if (!host.empty() && std::ranges::all_of(host, is_host_char)) {
        out.append(";host=");
        append_value(out, host);
    }
    if (!scheme.empty() && std::ranges::all_of(scheme, is_token_char))
        out.append(";proto=").append(scheme);
}

} // namespace

std::string x_forwarded_for(const SaidBefore& said, const ForwardedFor& visitor)
{
    std::string all = said.all_for;
    if (!visitor.address.empty())
        all.append(all.empty() ? "" : ", ").append(visitor.address);
    return all;
}

std::string forwarded(const SaidBefore& said, const ForwardedFor& visitor)
{
    std::string value = said.forwarded;
    std::string_view before = said.forwarded.empty() ? said.all_for : std::string_view();
    if (!said.forwarded.empty()) {
        append_for(value, visitor.address);
        append_host_and_scheme(value, visitor.host, visitor.scheme);
        return value;
    }
    // The first element is about what the one in front sent.
    const std::string_view host = said.host.empty() ? visitor.host : said.host;
    const std::string_view scheme = said.scheme.empty() ? visitor.scheme : said.scheme;
    const bool has_before = !before.empty();
    append_for(value, has_before ? take_member(before) : visitor.address);
    append_host_and_scheme(value, host, scheme);
    for (int hops = 1; hops < most_hops && !before.empty(); ++hops)
        append_for(value, take_member(before));
    if (has_before)
        append_for(value, visitor.address);
    return value;
}

} // namespace tunnel
