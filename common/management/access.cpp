#include "common/management/access.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <strings.h>

#include "common/base/asio.hpp"
#include "common/security/token.hpp"

namespace tunnel {

namespace {

constexpr std::string_view scheme = "Bearer ";
constexpr std::string_view localhost = "localhost";

bool equal_keys(const Key& one, const Key& other)
{
    return equal(one.bytes, other.bytes);
}

// Whatever the case of its letters.
bool begins_with(std::string_view text, std::string_view prefix)
{
    return text.size() >= prefix.size() &&
           ::strncasecmp(text.data(), prefix.data(), prefix.size()) == 0;
}

// The host, with its brackets if it is an IPv6 address. The port does not matter, since another one
// may lead here. nullopt: it is no host and port.
std::optional<std::string_view> without_port(std::string_view host)
{
    std::size_t end = host.find(':');
    if (host.starts_with('[')) {
        end = host.find(']');
        if (end == std::string_view::npos)
            return std::nullopt;
        ++end;
    }
    end = std::min(end, host.size());
    const std::string_view port = host.substr(end);
    const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
    if (!port.empty() && (port.front() != ':' || !std::ranges::all_of(port.substr(1), is_digit)))
        return std::nullopt;
    return host.substr(0, end);
}

// An address in its usual form, an IPv6 address in brackets; empty: it is none.
std::string address_in(std::string_view host)
{
    const bool in_brackets = host.starts_with('[');
    if (in_brackets)
        host = host.substr(1, host.size() - 2);
    std::error_code error;
    const auto address = asio::ip::make_address(host, error);
    if (error || address.is_v6() != in_brackets)
        return {};
    if (in_brackets && address.to_v6().is_v4_mapped())
        return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_string();
    return address.to_string();
}

bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

// "application/json", with parameters behind it or without.
bool is_json(std::string_view content_type)
{
    constexpr std::string_view json = "application/json";
    if (!begins_with(content_type, json))
        return false;
    content_type.remove_prefix(json.size());
    return content_type.empty() || content_type.front() == ';' || is_space(content_type.front());
}

bool changes_nothing(Method method)
{
    return method == Method::get || method == Method::head || method == Method::options;
}

} // namespace

Tokens::Tokens(const ManagementOptions& options)
{
    if (!options.token_file.empty())
        admin_ = read_token(options.token_file);
    if (!options.read_token_file.empty())
        reader_ = read_token(options.read_token_file);
    if (admin_ && reader_ && equal_keys(*admin_, *reader_))
        throw std::runtime_error(
            fmt::format("{} and {} hold the same token, and who has it could do everything",
                        options.token_file, options.read_token_file));
}

Tokens::Role Tokens::role_of(std::string_view authorization) const
{
    if (!admin_ && !reader_)
        return Role::admin;
    if (!begins_with(authorization, scheme))
        return Role::nobody;
    // All of one length, so that comparing reveals nothing about the token.
    const Key key = key_of_token(authorization.substr(scheme.size()));
    const bool is_admin = admin_ && equal_keys(*admin_, key);
    const bool is_reader = reader_ && equal_keys(*reader_, key);
    return is_admin ? Role::admin : is_reader ? Role::reader : Role::nobody;
}

Access::Access(Tokens tokens, std::optional<std::string> loopback)
    : tokens_(std::move(tokens)), loopback_(std::move(loopback))
{
}

std::optional<Response> Access::objection(const Request& request) const
{
    // Browsers always name the host, so a client without one is no browser.
    if (loopback_ && request.host && !is_meant_for_here(*request.host))
        return refusal(421, "the Host header must name this machine: localhost or 127.0.0.1");
    const Tokens::Role role = tokens_.role_of(request.authorization);
    if (role == Tokens::Role::nobody) {
        Response response =
            refusal(401, "a token is wanted: send the header Authorization: Bearer TOKEN");
        response.headers.emplace_back("WWW-Authenticate", "Bearer");
        return response;
    }
    return std::nullopt;
}

std::optional<Response> Access::objection_to_change(const Request& request) const
{
    const bool changes = !changes_nothing(request.method);
    if (changes && tokens_.role_of(request.authorization) != Tokens::Role::admin)
        return refusal(403, "this token is read-only");
    // Foreign web pages cannot send JSON without asking first.
    const bool sends = changes && request.method != Method::remove;
    if ((request.has_body || sends) && !is_json(request.content_type))
        return refusal(415, "Content-Type must be application/json");
    return std::nullopt;
}

bool Access::is_meant_for_here(std::string_view host) const
{
    const auto name = without_port(host);
    if (!name)
        return false;
    const auto relative = name->ends_with('.') ? name->substr(0, name->size() - 1) : *name;
    if (relative.size() == localhost.size() && begins_with(relative, localhost))
        return true;
    const std::string address = address_in(*name);
    return !address.empty() &&
           (address == "127.0.0.1" || address == "::1" || address == *loopback_);
}

} // namespace tunnel
