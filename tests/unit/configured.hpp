// Options out of the text of a configuration file.
#pragma once

#include <string>
#include <string_view>

#include <fmt/format.h>

#include "origin-proxy/options/options.hpp"
#include "remote-proxy/options/options.hpp"

namespace tunnel::test {

// What parse_configuration() answered.
template <class Options>
struct Configured {
    Options options;
    std::string problems;

    bool says(std::string_view text) const { return problems.find(text) != std::string::npos; }

    // Exactly one problem, in this line.
    bool complains_of(int line, std::string_view what) const
    {
        return problems.starts_with(fmt::format("here.toml line {}: ", line)) && says(what) &&
               problems.find('\n') == std::string::npos;
    }
};

template <class Options>
Configured<Options> configured(std::string_view toml)
{
    Configured<Options> result;
    result.problems = parse_configuration(toml, "here.toml", result.options);
    return result;
}

// A file whose first line is what has to be there, so that `toml` begins in the second.
inline Configured<RemoteOptions> remote_with(std::string_view toml)
{
    return configured<RemoteOptions>(fmt::format("control-addr = \":9001\"\n{}", toml));
}

inline Configured<OriginOptions> origin_with(std::string_view toml)
{
    return configured<OriginOptions>(fmt::format("remote-proxy-addr = \"a:9001\"\n{}", toml));
}

} // namespace tunnel::test
