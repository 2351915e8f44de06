// What both programs can be told of a service whose visitors speak HTTP.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/options/option.hpp"

namespace tunnel {

struct HttpOptions {
    std::string host_header{};     // what the origin server sees; empty: what the visitor said
    std::string basic_auth_file{}; // who may come; empty: everybody

    friend bool operator==(const HttpOptions&, const HttpOptions&) = default;
};

inline constexpr const char* host_header_key = "host-header";
inline constexpr const char* basic_auth_file_key = "basic-auth-file";

// Bound to `options`. A reload applies them.
OptionList describe(HttpOptions& options);

// The lines of a basic-auth-file, out of files(). Throws std::runtime_error that names it.
std::vector<std::string> load_logins(const std::string& path);

// "KEY of NAME is for visitors who speak HTTP ...", where they do not.
std::string only_for_http(std::string_view key, std::string_view name);

} // namespace tunnel
