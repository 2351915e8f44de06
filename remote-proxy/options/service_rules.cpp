#include "remote-proxy/options/service_rules.hpp"

#include "common/options/rule_options.hpp"

namespace tunnel {

namespace {

// More than a process may have descriptors.
constexpr std::uint32_t most_visitors = 1'000'000;

constexpr Choices<ForeignHeader, 2> foreign_headers{
    {{"data", ForeignHeader::data}, {"reset", ForeignHeader::reset}}};

using Options = std::vector<RuleOption<ServiceRules>>;

void append_limits(Options& options)
{
    const auto append = [&options](std::string name, std::string help,
                                   std::optional<std::uint32_t> VisitorRules::*limit) {
        options.push_back({std::move(name), "Visitors", "N", "no limit", std::move(help),
                           [limit](ServiceRules& rules, const std::string& text) {
                               rules.visitors.*limit =
                                   text == "off"
                                       ? std::nullopt
                                       : std::optional(read_number(text, 1, most_visitors));
                           }});
    };
    append("max-connections", "Reset a visitor at once when this many are here",
           &VisitorRules::max_connections);
    append("max-connections-per-ip",
           "Reset a visitor at once when this many from its address (IPv6: its /64) are here",
           &VisitorRules::max_connections_per_ip);
    append("max-new-per-second-per-ip",
           "Reset a visitor at once when more than this many come from its address (IPv6: its /64) "
           "within a second",
           &VisitorRules::max_new_per_second_per_ip);
}

void append_networks(Options& options)
{
    constexpr const char* type = "CIDR[,CIDR...]";
    const auto append = [&options](std::string name, std::string help,
                                   std::vector<Cidr> VisitorRules::*networks, bool replaces) {
        std::function<void(ServiceRules&)> clear;
        if (replaces)
            clear = [networks](ServiceRules& rules) { (rules.visitors.*networks).clear(); };
        options.push_back({std::move(name), "Visitors", type, "", std::move(help),
                           [networks](ServiceRules& rules, const std::string& text) {
                               read_networks(text, rules.visitors.*networks);
                           },
                           true, std::move(clear)});
    };
    append("allow", "Reset a visitor at once who comes from none of these networks",
           &VisitorRules::allow, true);
    append("deny",
           "Reset a visitor at once who comes from one of these networks, also if it is in --allow",
           &VisitorRules::deny, true);
    append("trusted",
           "Networks to which the limits per IP do not apply, such as a web server's in front of "
           "this one; this machine is always one",
           &VisitorRules::trusted, false);
}

void append_proxy_protocol(Options& options)
{
    constexpr const char* group = "PROXY protocol";
    options.push_back(
        {"accept-proxy-from", group, "CIDR[,CIDR...]", "",
         "Load balancers in front of this one: what they pass on begins with a header of the PROXY "
         "protocol, v1 or v2, that says who the visitor is",
         [](ServiceRules& rules, const std::string& text) {
             read_networks(text, rules.accept_proxy_from);
         },
         true, [](ServiceRules& rules) { rules.accept_proxy_from.clear(); }});
    options.push_back(
        {"foreign-proxy-header", group, "MODE", "data",
         "What becomes of a visitor from elsewhere who begins with such a header: data: it is "
         "passed on as the visitor's own; reset: so is the visitor, before a byte is passed on",
         [](ServiceRules& rules, const std::string& text) {
             rules.foreign_header = read_choice(foreign_headers, text, "data or reset");
         }});
}

Options all_service_options()
{
    Options options;
    append_limits(options);
    append_networks(options);
    append_bandwidth(options);
    append_proxy_protocol(options);
    return options;
}

} // namespace

const std::vector<RuleOption<ServiceRules>>& service_rule_options()
{
    static const Options options = all_service_options();
    return options;
}

} // namespace tunnel
