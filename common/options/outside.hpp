// Where visitors of a service come.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/options/option.hpp"
#include "common/options/text_values.hpp"
#include "common/transport/service_kind.hpp"

namespace tunnel {

// How it is written, for help and error messages.
inline constexpr std::string_view outside_syntax = "HOST:PORT[-PORT]|KIND://NAME";

// A port, or several, of its own; or names on a port that it shares.
struct Outside {
    std::optional<AddressRange> addresses{};
    PublicNames names{};
    bool is_http = false; // visitors of its own ports speak HTTP
};

// "HOST:PORT", "tcp://HOST:PORT", "http://HOST:PORT", "https://NAME", "http://NAME" or
// "tls://NAME". NAME is a host name, "*.host" or one label; "https://" alone asks for any label.
// HOST is no name in "http://HOST:PORT", which would be taken for one that visitors come by. Throws
// std::invalid_argument.
Outside read_outside(std::string_view text);

// One name as read_outside() has it, in canonical form. Throws std::invalid_argument.
std::string read_host(std::string_view text);

// Throws std::invalid_argument.
ServiceKind read_kind(std::string_view text);

// The keys of a service's table that say it, of both programs.
struct OutsideKeys {
    std::optional<Outside> outside{};
    std::optional<ServiceKind> kind{};
    std::vector<std::string> hosts{};

    // A key of the table has not been understood, of which enough was said.
    bool lacks_something_of(const Setting& table) const;

    // All of them together. Throws std::invalid_argument.
    Outside combined() const;
};

// Bound to `keys`. Either of the first two says the same.
OptionList describe(OutsideKeys& keys);

inline constexpr const char* outside_key = "outside";
inline constexpr const char* outside_addr_key = "outside-addr"; // older

// What is wrong with the kind and the hosts of one service; empty: nothing.
std::string contradiction(const PublicNames& names);

// "https://app.example.com", or with the port where that is not the one of the kind; of several
// names with commas between, as many as there is room for. For people and programs.
std::string to_text(const PublicNames& names, std::uint16_t port);

} // namespace tunnel
