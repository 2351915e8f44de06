#include "common/options/bandwidth_options.hpp"

#include <string>

#include "common/options/value_readers.hpp"

namespace tunnel {

namespace {

OptionList bandwidths(Rates& rates, const std::string& whose, const std::string& up,
                      const std::string& down, Trait more = Trait::none)
{
    OptionList all;
    append(all, "Bandwidth",
           {{"max-bandwidth-up" + whose, as_rate(rates.up), up, Trait::reloads | more},
            {"max-bandwidth-down" + whose, as_rate(rates.down), down, Trait::reloads | more}});
    return all;
}

constexpr const char* up_of_origin =
    "What all visitors together may send in a second through one origin proxy";
constexpr const char* down_of_origin =
    "What one origin proxy may send to all its visitors together in a second";

} // namespace

OptionList describe(ServiceRates& rates)
{
    OptionList all = bandwidths(
        rates.together, "", "What all visitors of a service together may send to it in a second",
        "What a service may send to all its visitors together in a second");
    append(all, bandwidths(rates.each, "-per-visitor", "What one visitor may send in a second",
                           "What may be sent to one visitor in a second"));
    return all;
}

OptionList describe_for_each_origin(Rates& rates)
{
    return bandwidths(rates, "-per-origin", up_of_origin, down_of_origin);
}

OptionList describe_for_one_origin(Rates& rates)
{
    return bandwidths(rates, "", up_of_origin, down_of_origin, Trait::key_only);
}

} // namespace tunnel
