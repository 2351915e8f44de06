#include "origin-proxy/options/service_rules.hpp"

#include "common/options/rule_options.hpp"

namespace tunnel {

namespace {

// One that hangs keeps a turn from others, also when nobody wants it any more.
constexpr milliseconds longest_check = std::chrono::minutes(1);

constexpr Choices<ProxyProtocol, 3> proxy_protocols{
    {{"off", ProxyProtocol::off}, {"v1", ProxyProtocol::v1}, {"v2", ProxyProtocol::v2}}};

using Options = std::vector<RuleOption<ServingRules>>;

void append_health_checks(Options& options)
{
    constexpr const char* group = "Health of the origin servers";
    options.push_back(
        {"health-check", group, "MODE", "off",
         "Check the health of the origin server periodically, so that visitors go to other "
         "origin proxies while it is unhealthy. tcp: it takes a connection; http:/path: it answers "
         "GET /path with 2xx or 3xx; off",
         [](ServingRules& rules, const std::string& text) {
             read_health_check(text, rules.health_check);
         }});
    options.push_back({"health-check-interval", group, "DURATION",
                       to_string(HealthCheck().interval), "Look this often",
                       [](ServingRules& rules, const std::string& text) {
                           rules.health_check.interval = read_duration(text);
                       }});
    const auto append_key = [&options](std::string name, auto read) {
        RuleOption<ServingRules> option{std::move(name), {}, {}, {}, {}, std::move(read)};
        option.scope = RuleOption<ServingRules>::Scope::service_alone;
        options.push_back(std::move(option));
    };
    append_key("health-check-timeout", [](ServingRules& rules, const std::string& text) {
        rules.health_check.timeout = read_duration(text);
        if (rules.health_check.timeout > longest_check)
            refuse_text(text, "a duration of at most 1m");
    });
    constexpr std::uint32_t most_in_a_row = 100;
    append_key("health-check-failures", [](ServingRules& rules, const std::string& text) {
        rules.health_check.failures = read_number(text, 1, most_in_a_row);
    });
    append_key("health-check-successes", [](ServingRules& rules, const std::string& text) {
        rules.health_check.successes = read_number(text, 1, most_in_a_row);
    });
}

Options all_serving_options()
{
    Options options;
    options.push_back(
        {"proxy-protocol", "Addresses and services", "MODE", "off",
         "Tell the origin server who the visitor is, by a header of the PROXY protocol before its "
         "first byte: off, v1 or v2",
         [](ServingRules& rules, const std::string& text) {
             rules.proxy_protocol = read_choice(proxy_protocols, text, "off, v1 or v2");
         }});
    append_bandwidth(options);
    append_health_checks(options);
    return options;
}

} // namespace

const std::vector<RuleOption<ServingRules>>& serving_rule_options()
{
    static const Options options = all_serving_options();
    return options;
}

} // namespace tunnel
