// Limits of bandwidth, as flags and as keys of a configuration file; both programs have the same.
#pragma once

#include "common/options/options.hpp"
#include "common/options/table_reader.hpp"
#include "common/relay/bandwidth.hpp"

namespace tunnel {

// --max-bandwidth-up-per-origin and --max-bandwidth-down-per-origin.
void add_origin_bandwidth(CommandLine& line, Rates& rates);

// max-bandwidth-up and max-bandwidth-down, in that of an origin proxy.
void read_bandwidth(TableReader& keys, Rates& rates);

} // namespace tunnel
