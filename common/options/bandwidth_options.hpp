// Limits of bandwidth; both programs have the same.
#pragma once

#include "common/options/option.hpp"
#include "common/relay/bandwidth.hpp"

namespace tunnel {

// Of a service, for all its visitors together and for each of them.
OptionList describe(ServiceRates& rates);

// Of each origin proxy with all its services: flags.
OptionList describe_for_each_origin(Rates& rates);

// Of one origin proxy: keys of its table.
OptionList describe_for_one_origin(Rates& rates);

} // namespace tunnel
