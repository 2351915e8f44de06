#include "origin-proxy/options/service_rules.hpp"

#include "common/options/bandwidth_options.hpp"
#include "common/options/value_readers.hpp"

namespace tunnel {

namespace {

// One that hangs keeps a turn from others, also when nobody wants it any more.
constexpr milliseconds longest_check = std::chrono::minutes(1);

constexpr std::uint32_t most_in_a_row = 100;

constexpr Choices<ProxyProtocol, 3> proxy_protocols{
    {{"off", ProxyProtocol::off}, {"v1", ProxyProtocol::v1}, {"v2", ProxyProtocol::v2}}};

OptionList health_checks(HealthCheck& check)
{
    const auto read_check = [&check](const std::string& text) { read_health_check(text, check); };
    const auto read_timeout = [&check](const std::string& text) {
        check.timeout = read_duration(text);
        if (check.timeout > longest_check)
            refuse_text(text, "a duration of at most 1m");
    };
    const Trait reloads = Trait::reloads;
    const Trait key = reloads | Trait::key_only;
    return {{"health-check", as_text("MODE", read_check, "off"),
             "Check the health of the origin server periodically, so that visitors go to other "
             "origin proxies while it is unhealthy. tcp: it takes a connection; http:/path: it "
             "answers GET /path with 2xx or 3xx; off",
             reloads | Trait::common},
            {"health-check-interval", as_duration(check.interval), "How often to check", reloads},
            {"health-check-timeout", as_text("DURATION", read_timeout, to_string(check.timeout)),
             "How long a check may take", key},
            {"health-check-failures", as_number(check.failures, 1, most_in_a_row),
             "How many failures in a row make the server unhealthy", key},
            {"health-check-successes", as_number(check.successes, 1, most_in_a_row),
             "How many successes in a row make it healthy again", key}};
}

} // namespace

OptionList describe(ServingRules& rules)
{
    OptionList all;
    append(all, "Addresses and services",
           {{"proxy-protocol", as_choice(rules.proxy_protocol, proxy_protocols),
             "Tell the origin server who the visitor is, by a header of the PROXY protocol before "
             "its first byte: off, v1 or v2",
             Trait::reloads | Trait::common}});
    append(all, describe(rules.http));
    append(all, "HTTP",
           {{reuse_key, as_switch(rules.reuse),
             "Requests of several visitors may follow each other on one connection to the origin "
             "server; on unless it is false",
             Trait::reloads}});
    append(all, describe(rules.bandwidth));
    append(all, "Health of the origin servers", health_checks(rules.health_check));
    return all;
}

} // namespace tunnel
