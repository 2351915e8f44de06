// The remote proxies that the origin proxy is told of, by flags and in its configuration file.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "common/options/document.hpp"
#include "common/options/option.hpp"
#include "origin-proxy/options/options.hpp"

namespace tunnel {

// Each has a control connection of its own, and a part of the descriptors.
inline constexpr std::size_t most_remote_proxies = 16;

// Whom the origin proxy trusts: flags, most of which are also keys of a table.
OptionList describe_trust(TrustOptions& options);

// The keys of a table [remote-proxies.NAME]. `add` is called after all others, with the address.
OptionList describe_remote_proxy(TrustOptions& own, ConnectThrough& way,
                                 std::function<void(const std::string& address)> add);

// Adds the one with this address. Throws std::invalid_argument that says what is wrong with it, or
// why there can be no such one more.
void add_remote_proxy(std::string_view address, OriginOptions& options);

// Adds what [remote-proxies.NAME] say to `options`, in which the flags are already. What a table
// does not say of the trust, or of the way there, holds as the flags say.
void read_remote_proxies(const Setting& tables, OriginOptions& options, Problems& problems);

} // namespace tunnel
