#include "remote-proxy/options/service_rules.hpp"

#include "common/options/bandwidth_options.hpp"
#include "common/options/value_readers.hpp"

namespace tunnel {

namespace {

// More than a process may have descriptors.
constexpr std::uint32_t most_visitors = 1'000'000;

constexpr Choices<ForeignHeader, 2> foreign_headers{
    {{"data", ForeignHeader::data}, {"reset", ForeignHeader::reset}}};

} // namespace

OptionList describe(ServiceRules& rules)
{
    VisitorRules& visitors = rules.visitors;
    const Trait reloads = Trait::reloads;
    OptionList all;
    append(
        all, "Visitors",
        {{"max-connections", as_limit_or_off(visitors.max_connections, most_visitors),
          "Reset a visitor at once when this many are here", reloads | Trait::common},
         {"max-connections-per-ip", as_limit_or_off(visitors.max_connections_per_ip, most_visitors),
          "Reset a visitor at once when this many from its address (IPv6: its /64) are here",
          reloads},
         {"max-new-per-second-per-ip",
          as_limit_or_off(visitors.max_new_per_second_per_ip, most_visitors),
          "Reset a visitor at once when more than this many come from its address (IPv6: its "
          "/64) within a second",
          reloads},
         {"allow", as_replaced_networks(visitors.allow),
          "Reset a visitor at once who comes from none of these networks", reloads | Trait::common},
         {"deny", as_replaced_networks(visitors.deny),
          "Reset a visitor at once who comes from one of these networks, whatever --allow says",
          reloads | Trait::common | Trait::may_be_empty},
         {"trusted", as_networks(visitors.trusted),
          "Networks to which the limits per IP do not apply, such as a web server's in front of "
          "this one; this machine is always one",
          reloads}});
    append(all, describe(rules.bandwidth));
    append(all, "PROXY protocol",
           {{"accept-proxy-from", as_replaced_networks(rules.accept_proxy_from),
             "Load balancers in front of this one: their connections begin with a header of the "
             "PROXY protocol, v1 or v2, that names the visitor",
             reloads},
            {"foreign-proxy-header", as_choice(rules.foreign_header, foreign_headers),
             "What to do with a visitor from elsewhere who begins with such a header. data: pass "
             "it on as the visitor's own bytes; reset: reset the visitor",
             reloads}});
    return all;
}

} // namespace tunnel
