#include "origin-proxy/options/connect_through.hpp"

#include <algorithm>
#include <initializer_list>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "common/options/value_readers.hpp"
#include "common/sandbox/sandbox.hpp"
#include "common/security/file.hpp"
#include "common/transport/proxy_exceptions.hpp"

namespace tunnel {

namespace {

constexpr std::size_t largest_password_file = 4096;

// The same, and kept from other processes if there is a password in it.
ForwardProxy read_private_proxy(std::string_view text)
{
    ForwardProxy proxy = read_forward_proxy(text);
    if (!proxy.password.empty())
        keep_memory_private();
    return proxy;
}

void read_way(const std::string& text, ConnectThrough& through)
{
    using Way = ConnectThrough::Way;
    if (text == "off" || text == "direct")
        through.way = Way::direct;
    else if (text == "environment")
        through.way = Way::environment;
    else {
        through.proxy = read_private_proxy(text);
        through.way = Way::proxy;
    }
}

std::string objection_to_argument(const std::string& text)
{
    if (!has_password(text))
        return {};
    return fmt::format("no password can stand in it, since every user of a machine can read its "
                       "command lines (ps): put it into a file for --{}",
                       connect_through_password_key);
}

// RFC 1929 has no empty password.
std::string objection_to_login(const ForwardProxy& proxy, bool has_file)
{
    const bool lacks_one = proxy.has_login() && proxy.password.empty() && !has_file;
    if (lacks_one && proxy.kind == ForwardProxy::Kind::socks5)
        return "the user of a SOCKS5 proxy needs a password";
    return {};
}

struct Variable {
    std::string name{};
    std::string text{}; // empty: there is none
};

// An empty one counts as missing.
Variable first_of(const std::function<const char*(const char* name)>& get,
                  std::initializer_list<const char*> names)
{
    for (const char* const name : names) {
        if (const char* const text = get(name); text != nullptr && *text != '\0')
            return {name, text};
    }
    return {};
}

} // namespace

ProxyVariables proxy_variables(const std::function<const char*(const char* name)>& get)
{
    ProxyVariables all;
    all.exceptions = first_of(get, {"no_proxy", "NO_PROXY"}).text;
    const Variable found = first_of(get, {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"});
    if (found.text.empty())
        return all;
    all.variable = found.name;
    try {
        all.proxy = read_private_proxy(found.text);
        all.problem = objection_to_login(*all.proxy, false);
    } catch (const std::invalid_argument& error) {
        all.problem = error.what();
    }
    return all;
}

std::optional<ForwardProxy> forward_proxy_to(const Address& remote, const ConnectThrough& through)
{
    switch (through.way) {
    case ConnectThrough::Way::direct:
        return std::nullopt;
    case ConnectThrough::Way::proxy:
        return through.proxy;
    case ConnectThrough::Way::environment:
        break;
    }
    const ProxyVariables& environment = through.environment;
    return is_proxy_exception(environment.exceptions, remote.host) ? std::nullopt
                                                                   : environment.proxy;
}

OptionList describe(ConnectThrough& through)
{
    ValueReader way = as_text(
        "URL", [&through](const std::string& text) { read_way(text, through); }, "environment");
    way.objection_to_argument = objection_to_argument;
    way.shown = [](const std::string& text) { return mask_password(text); };
    return {{connect_through_key, std::move(way),
             "The proxy that leads out to the remote proxies: http://[USER@]HOST:PORT or "
             "socks5://[USER@]HOST:PORT, which looks their names up. environment: that of "
             "HTTPS_PROXY or ALL_PROXY, but for those in NO_PROXY; off: none",
             Trait::reloads},
            {connect_through_password_key, as_file(through.password_file),
             "File with the password of that user", Trait::reloads | Trait::never_empty}};
}

std::string contradiction(const ConnectThrough& through, const std::vector<Address>& remotes)
{
    using Way = ConnectThrough::Way;
    const bool has_file = !through.password_file.empty();
    if (has_file && (through.way != Way::proxy || !through.proxy.has_login()))
        return fmt::format("--{} is for the user in --{}, and there is none",
                           connect_through_password_key, connect_through_key);
    if (has_file && !through.proxy.password.empty())
        return fmt::format("there is a password in --{} and one in --{}: give one of them",
                           connect_through_key, connect_through_password_key);
    if (through.way == Way::proxy) {
        const std::string why = objection_to_login(through.proxy, has_file);
        return why.empty() ? why
                           : fmt::format("--{}: {}: give --{}", connect_through_key, why,
                                         connect_through_password_key);
    }
    const ProxyVariables& environment = through.environment;
    const bool is_used = std::ranges::any_of(remotes, [&environment](const Address& each) {
        return !is_proxy_exception(environment.exceptions, each.host);
    });
    if (through.way == Way::environment && !environment.problem.empty() && is_used)
        return fmt::format("{} of the environment: {}; give --{} off to do without",
                           environment.variable, environment.problem, connect_through_key);
    return {};
}

std::string said_by(const ConnectThrough& through)
{
    return through.way == ConnectThrough::Way::environment
               ? through.environment.variable
               : fmt::format("--{}", connect_through_key);
}

void read_password(ConnectThrough& through)
{
    const std::string& path = through.password_file;
    if (path.empty())
        return;
    keep_memory_private();
    const PrivateText text = read_private_file(path, largest_password_file);
    std::string_view password = text.view();
    if (password.ends_with('\n'))
        password.remove_suffix(1);
    if (password.ends_with('\r'))
        password.remove_suffix(1);
    std::string why = objection_to_proxy_password(password);
    if (password.empty())
        why = "there is no password in it";
    if (!why.empty())
        throw std::runtime_error(fmt::format("{}: {}", path, why));
    through.proxy.password = password;
}

} // namespace tunnel
