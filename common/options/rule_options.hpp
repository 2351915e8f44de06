// Options that hold for all services as flags, and for one service as keys of its table. Each is
// described once; flag, environment, file, table, --help, print-config, check and reload read that.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/options/options.hpp"
#include "common/options/table_reader.hpp"
#include "common/options/text_values.hpp"
#include "common/relay/bandwidth.hpp"

namespace tunnel {

// Rules is a struct that holds all of them together, and is handed on and compared as a whole.
template <class Rules>
struct RuleOption {
    enum class Scope : std::uint8_t {
        everywhere,
        service_alone, // it is no flag
    };

    std::string name;      // the key; the flag has two dashes before it
    std::string group;     // in --help-all
    std::string type;      // "N", "CIDR[,CIDR...]"
    std::string if_absent; // what --help shows as the default; empty: nothing
    std::string help;
    // Throws std::invalid_argument that says what is wrong with the text.
    std::function<void(Rules&, const std::string& text)> read;
    // It takes several values. Those of a table stand for those of the flag, once this has taken
    // them out; without it they are added to them.
    bool is_list = false;
    std::function<void(Rules&)> clear{};
    Scope scope = Scope::everywhere;
};

// Adds the flags. `rules` is filled by parse() and must live until then, as must `options`. A
// reload applies all of them, since it swaps the rules as a whole.
template <class Rules>
void add_flags(CommandLine& line, const std::vector<RuleOption<Rules>>& options, Rules& rules)
{
    for (const RuleOption<Rules>& each : options) {
        if (each.scope == RuleOption<Rules>::Scope::service_alone)
            continue;
        const std::string flag = "--" + each.name;
        line.group(each.group);
        if (each.is_list)
            line.add_each(flag, each.type, each.help, [&each, &rules](std::string_view text) {
                each.read(rules, std::string(text));
            });
        else
            line.add_text(flag, each.type, each.if_absent, each.help,
                          [&each, &rules](const std::string& text) { each.read(rules, text); });
        line.applied_by_reload({flag});
    }
}

// Reads the keys of the table of a service; `rules` are those of all services before.
template <class Rules>
void read_rules(TableReader& keys, const Setting& table,
                const std::vector<RuleOption<Rules>>& options, Rules& rules)
{
    for (const RuleOption<Rules>& each : options) {
        const auto read = [&](const std::string& text) { each.read(rules, text); };
        if (!each.is_list)
            keys.one(each.name, read);
        else if (const Setting* const found = each.clear ? table.find(each.name) : nullptr)
            keys.instead(*found, read, [&] { each.clear(rules); });
        else
            keys.several(each.name, read);
    }
}

// The four limits of bandwidth that both programs have, into `rules.bandwidth`.
template <class Rules>
void append_bandwidth(std::vector<RuleOption<Rules>>& options)
{
    const auto append = [&options](std::string name, std::string help, auto limit_of) {
        options.push_back({std::move(name), "Bandwidth", "RATE", "off", std::move(help),
                           [limit_of](Rules& rules, const std::string& text) {
                               limit_of(rules.bandwidth) = read_rate(text);
                           }});
    };
    using Limit = std::optional<std::uint64_t>;
    append("max-bandwidth-up", "What all visitors of a service together may send to it in a second",
           [](ServiceRates& rates) -> Limit& { return rates.together.up; });
    append("max-bandwidth-down", "What a service may send to all its visitors together in a second",
           [](ServiceRates& rates) -> Limit& { return rates.together.down; });
    append("max-bandwidth-up-per-visitor", "What one visitor may send in a second",
           [](ServiceRates& rates) -> Limit& { return rates.each.up; });
    append("max-bandwidth-down-per-visitor", "What may be sent to one visitor in a second",
           [](ServiceRates& rates) -> Limit& { return rates.each.down; });
}

} // namespace tunnel
