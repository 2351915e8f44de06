// Which HTTP or SOCKS5 proxy leads out to the remote proxies.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/options/option.hpp"
#include "common/transport/forward_proxy.hpp"

namespace tunnel {

// What the environment says to every program, as curl reads it: https_proxy, HTTPS_PROXY, all_proxy
// or ALL_PROXY, whichever is there first, and no_proxy or NO_PROXY. One that is empty counts as
// missing.
struct ProxyVariables {
    std::string variable{}; // that names the proxy; empty: none does
    std::optional<ForwardProxy> proxy{};
    std::string problem{};    // why the variable cannot be used; empty: it can
    std::string exceptions{}; // whom to reach without it

    friend bool operator==(const ProxyVariables&, const ProxyVariables&) = default;
};

// `get` is getenv(3), or plays it.
ProxyVariables proxy_variables(const std::function<const char*(const char* name)>& get);

inline constexpr const char* connect_through_key = "connect-through";
inline constexpr const char* connect_through_password_key = "connect-through-password-file";

// The way to all remote proxies, or to one.
struct ConnectThrough {
    enum class Way : std::uint8_t {
        environment, // as the variables say
        direct,
        proxy,
    };

    Way way = Way::environment;
    ForwardProxy proxy{}; // with the password of the file once that was read
    std::string password_file{};
    ProxyVariables environment{};

    friend bool operator==(const ConnectThrough&, const ConnectThrough&) = default;
};

// The proxy on the way to this remote proxy; none: there is none.
std::optional<ForwardProxy> forward_proxy_to(const Address& remote, const ConnectThrough& through);

// Flags, and keys of the table of one. A reload applies them.
OptionList describe(ConnectThrough& through);

// What is wrong with it all, once everything is read; empty: nothing.
std::string contradiction(const ConnectThrough& through, const std::vector<Address>& remotes);

// Where the proxy of forward_proxy_to() is told: "--connect-through", or a variable's name.
std::string said_by(const ConnectThrough& through);

// Reads the password's file, if there is one, out of files(). Throws std::runtime_error that names
// it.
void read_password(ConnectThrough& through);

} // namespace tunnel
