// What holds for a service is described once: every reader of options knows all of it.
#include <doctest/doctest.h>

#include <algorithm>
#include <cctype>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/options/rule_options.hpp"
#include "tests/support/temporary_file.hpp"
#include "tests/unit/command_line.hpp"
#include "tests/unit/configured.hpp"

using namespace tunnel;
using namespace tunnel::test;

namespace {

// A value that differs from the default.
template <class Rules>
std::string some_value(const RuleOption<Rules>& option)
{
    static const std::map<std::string, std::string> of_names{
        {"foreign-proxy-header", "reset"}, {"proxy-protocol", "v2"},
        {"health-check", "http:/well"},    {"health-check-timeout", "7s"},
        {"health-check-failures", "7"},    {"health-check-successes", "7"}};
    static const std::map<std::string, std::string> of_types{
        {"N", "7"}, {"RATE", "7MiB/s"}, {"CIDR[,CIDR...]", "192.0.2.0/24"}, {"DURATION", "7s"}};
    const auto named = of_names.find(option.name);
    return named != of_names.end() ? named->second : of_types.at(option.type);
}

std::string capitals(std::string name)
{
    for (char& c : name)
        c = c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return name;
}

template <class Options, class Rules>
void check_every_reader(const std::vector<RuleOption<Rules>>& options,
                        const std::vector<std::string>& needed, const std::string& prefix,
                        const std::string& service, const std::string& table)
{
    const std::string help = parsed<Options>({"--help-all"}).out;
    for (const RuleOption<Rules>& option : options) {
        CAPTURE(option.name);
        const std::string value = some_value(option);
        Rules expected;
        option.read(expected, value);
        REQUIRE_FALSE(expected == Rules());

        const auto in_table = configured<Options>(
            fmt::format("{}{}\n{} = \"{}\"\n", fmt::join(needed, ""), table, option.name, value));
        CHECK(in_table.problems == "");
        CHECK((in_table.options.services.at(0).rules == expected));
        CHECK((in_table.options.rules == Rules()));

        const bool is_flag = option.scope == RuleOption<Rules>::Scope::everywhere;
        CHECK((help.find("--" + option.name + ' ') != std::string::npos) == is_flag);
        if (!is_flag)
            continue;
        CHECK_FALSE(option.help.empty());
        const auto in_file = configured<Options>(
            fmt::format("{} = \"{}\"\n{}{}\n", option.name, value, fmt::join(needed, ""), table));
        CHECK(in_file.problems == "");
        CHECK((in_file.options.rules == expected));
        CHECK((in_file.options.services.at(0).rules == expected));

        const TemporaryFile file(fmt::format("{}", fmt::join(needed, "")));
        const std::string flag = fmt::format("--{}={}", option.name, value);
        const auto by_flag =
            parsed<Options>({"-c", file.path().c_str(), service.c_str(), flag.c_str()});
        CHECK((by_flag.options.services.at(0).rules == expected));
        const auto& values = by_flag.options.common.values;
        const auto shown = std::ranges::find(values, option.name, &OptionValue::key);
        REQUIRE(shown != values.end());
        CHECK(shown->text == value);
        CHECK(shown->reloads);

        const std::string name = prefix + capitals(option.name);
        const Environment variable(name.c_str(), value.c_str());
        const auto by_variable = parsed<Options>({"-c", file.path().c_str(), service.c_str()});
        CHECK((by_variable.options.services.at(0).rules == expected));
        const auto printed =
            parsed<Options>({"print-config", "-c", file.path().c_str(), service.c_str()}).out;
        CHECK_MESSAGE(printed.find(option.name + " = ") != std::string::npos, printed);
    }
}

} // namespace

TEST_CASE(
    "each rule of a service of the remote proxy is a flag, a variable, a key and one of tables")
{
    check_every_reader<RemoteOptions>(service_rule_options(), {"control-addr = \":1\"\n"},
                                      "REMOTE_PROXY_", "--service=a=:2",
                                      "[services.a]\noutside-addr = \":2\"");
}

TEST_CASE(
    "each rule of a service of the origin proxy is a flag, a variable, a key and one of tables")
{
    check_every_reader<OriginOptions>(serving_rule_options(), {"remote-proxy-addr = \"a:1\"\n"},
                                      "ORIGIN_PROXY_", "--service=a=:2",
                                      "[services.a]\norigin-server-addr = \":2\"");
}
