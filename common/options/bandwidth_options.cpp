#include "common/options/bandwidth_options.hpp"

#include <string>

#include "common/base/units.hpp"
#include "common/options/text_values.hpp"

namespace tunnel {

namespace {

void read_key(TableReader& keys, const std::string& key, std::optional<std::uint64_t>& rate)
{
    keys.one(key, [&rate](const std::string& text) { rate = read_rate(text); });
}

} // namespace

void add_origin_bandwidth(CommandLine& line, Rates& rates)
{
    line.add_rate("--max-bandwidth-up-per-origin", rates.up,
                  "What all visitors together may send in a second through one origin proxy");
    line.add_rate("--max-bandwidth-down-per-origin", rates.down,
                  "What one origin proxy may send to all its visitors together in a second");
}

void read_bandwidth(TableReader& keys, Rates& rates)
{
    read_key(keys, "max-bandwidth-up", rates.up);
    read_key(keys, "max-bandwidth-down", rates.down);
}

} // namespace tunnel
