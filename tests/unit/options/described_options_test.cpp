// Each option is described once, and is what its description says wherever options are read or
// shown.
#include <doctest/doctest.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <map>
#include <optional>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/options/other_program.hpp"
#include "origin-proxy/options/description.hpp"
#include "remote-proxy/options/description.hpp"
#include "tests/support/temporary_file.hpp"
#include "tests/unit/command_line.hpp"
#include "tests/unit/configured.hpp"

using namespace tunnel;
using namespace tunnel::test;

namespace {

using Texts = std::vector<std::string>;

struct Program {
    std::string_view name;
    std::string prefix;
    // What has to be there, by the names of the options.
    std::map<std::string, std::string> needed;
    // In front of a key of a table: what has to be there beside it.
    std::map<std::string, std::string> needed_in_table;
};

Program program_of(const RemoteOptions&)
{
    return {remote_proxy_name,
            "REMOTE_PROXY_",
            {{"control-addr", ":1"}, {"outside-addr", ":2"}},
            {{"origins", "secret-file = \"file\"\n"}, {"services", "outside-addr = \":3\"\n"}}};
}

Program program_of(const OriginOptions&)
{
    return {
        origin_proxy_name,
        "ORIGIN_PROXY_",
        {{"remote-proxy-addr", "a:1"}, {"origin-server-addr", ":2"}},
        {{"services", "origin-server-addr = \":3\"\n"}, {"remote-proxies", "addr = \"b:1\"\n"}}};
}

// Options that make no sense without others.
const std::map<std::string, std::map<std::string, std::string>>& companions()
{
    static const std::map<std::string, std::string> management{{"management-addr", "127.0.0.1:9"}};
    static const std::map<std::string, std::string> front{{"https-addr", ":9"}};
    static const std::map<std::string, std::string> http{{"service", "a=:7@http://:8"}};
    static const std::map<std::string, std::map<std::string, std::string>> all{
        {"tls-cert", {{"tls-key", "k"}}},
        {"tls-key", {{"tls-cert", "c"}}},
        {"tls-client-ca", {{"tls-cert", "c"}, {"tls-key", "k"}}},
        {"state-file", management},
        {"domain", front},
        {"certificates", front},
        {"acme-webroot", {{"http-addr", ":9"}}},
        {"https-redirect", {{"http-addr", ":9"}, {"https-addr", ":8"}}},
        {"connect-through-password-file", {{"connect-through", "http://ann@proxy:7"}}},
        {"host-header", http},
        {"basic-auth-file", http},
        {"management-token-file", management},
        {"management-read-token-file", management},
        {"management-tls-cert", {{"management-addr", "127.0.0.1:9"}, {"management-tls-key", "k"}}},
        {"management-tls-key", {{"management-addr", "127.0.0.1:9"}, {"management-tls-cert", "c"}}},
        {"management-tls-client-ca",
         {{"management-addr", "127.0.0.1:9"},
          {"management-tls-cert", "c"},
          {"management-tls-key", "k"}}}};
    return all;
}

// A value that is not the default, out of the description alone.
std::string some_value(const Option& option)
{
    static const std::map<std::string, std::string> of_syntax{
        {"", "true"},
        {"HOST:PORT", "localhost:7"},
        {"HOST:PORT[-PORT]", "localhost:7"},
        {"HOST:PORT|unix:PATH", "unix:/s"},
        {"HOST:PORT[-PORT]|unix:PATH", "unix:/s"},
        {"unix:PATH|HOST:PORT", "unix:/tmp/s"},
        {"NAME=[HOST]:PORT|NAME=KIND://HOST", "a=:7"},
        {"HOST:PORT[-PORT]|KIND://NAME", "localhost:7"},
        {"HOST", "a.example"},
        {"FOLDER", "folder"},
        {"NAME=HOST:PORT[@[HOST:]PORT|@KIND://HOST]", "a=:7@8"},
        {"PORT[-PORT]", "7-9"},
        {"N", "7"},
        {"NAME", "off"},
        {"HOST[:PORT]", "localhost:7"},
        {"RATE", "7MiB/s"},
        {"URL", "http://ann@proxy:7"},
        {"CIDR[,CIDR...]", "192.0.2.0/24"},
        {"DURATION", "7s"},
        {"FILE", "file"},
        {"USER[:GROUP]", "nobody"},
        {"MODE", "http:/well"},
        {"KIND", "tcp"},
        {"SECRET", "0123456789abcdef0123456789abcdef"}};
    const auto& choices = option.value.choices;
    const auto other = std::ranges::find_if(
        choices, [&option](const std::string& each) { return each != option.value.if_absent; });
    if (other != choices.end())
        return *other;
    return of_syntax.at(option.value.syntax);
}

std::string capitals(std::string name)
{
    for (char& c : name)
        c = c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return name;
}

std::string as_line(const Option& option, std::string_view value)
{
    return option.is_switch() ? fmt::format("{} = true\n", option.name)
                              : fmt::format("{} = \"{}\"\n", option.name, value);
}

// What has to be there beside an option; a named service stands for the one without a name.
std::map<std::string, std::string> beside(const Program& program, const Option& option)
{
    auto all = program.needed;
    if (const auto found = companions().find(option.name); found != companions().end())
        all.insert(found->second.begin(), found->second.end());
    all.erase(option.name);
    if (option.name == "service" || all.contains("service"))
        all.erase("origin-server-addr");
    return all;
}

template <class Options>
struct Answer {
    std::string printed;
    Options options;
};

// print-config, and the options that it printed.
template <class Options>
Answer<Options> answer_to(const Texts& words)
{
    std::vector<const char*> arguments{"print-config"};
    for (const std::string& each : words)
        arguments.push_back(each.c_str());
    auto result = parsed<Options>(arguments);
    CHECK_MESSAGE(result.code == 0, result.err);
    return {result.out, std::move(result.options)};
}

bool reads_again(const CommonOptions& options, const std::string& file)
{
    const auto files = files_to_read_again(options);
    return std::ranges::find(files, std::filesystem::path(file)) != files.end();
}

const OptionValue& value_of(const CommonOptions& options, std::string_view key)
{
    const auto found = std::ranges::find(options.values, key, &OptionValue::key);
    REQUIRE(found != options.values.end());
    return *found;
}

template <class Options>
void check_every_way(const Program& program, const Option& option)
{
    const std::string value = some_value(option);
    Texts words;
    std::string file_text;
    for (const auto& [name, text] : beside(program, option)) {
        words.push_back(fmt::format("--{}={}", name, text));
        file_text += fmt::format("{} = \"{}\"\n", name, text);
    }
    Texts with_flag = words;
    with_flag.push_back(option.is_switch() ? option.flag()
                                           : fmt::format("{}={}", option.flag(), value));
    const auto by_flag = answer_to<Options>(with_flag);
    CHECK_MESSAGE(by_flag.printed.find(option.name + " = ") != std::string::npos, by_flag.printed);

    const TemporaryFile file(file_text + as_line(option, value));
    const auto by_file = answer_to<Options>({"-c", file.path()});
    CHECK(by_file.printed == by_flag.printed);
    const TemporaryFile printed(by_flag.printed);
    CHECK(answer_to<Options>({printed.path()}).printed == by_flag.printed);

    const std::string variable = program.prefix + capitals(option.name);
    {
        const Environment set(variable.c_str(), value.c_str());
        CHECK(answer_to<Options>(words).printed == by_flag.printed);
    }
    const OptionValue& shown = value_of(by_flag.options.common, option.name);
    CHECK(shown.text == value);
    CHECK(shown.reloads == option.is(Trait::reloads));
    const bool names_file = option.value.file != ValueReader::File::none;
    CHECK((shown.files == (names_file ? Texts{value} : Texts())));
    CHECK(reads_again(by_flag.options.common, value) ==
          (option.value.file == ValueReader::File::read));
}

// What is there without the option, and what an empty variable means.
template <class Options>
void check_absence(const Program& program, const Option& option)
{
    std::vector<const char*> arguments{"print-config"};
    Texts words;
    for (const auto& [name, text] : beside(program, option))
        words.push_back(fmt::format("--{}={}", name, text));
    for (const std::string& each : words)
        arguments.push_back(each.c_str());
    if (option.is(Trait::required))
        CHECK(parsed<Options>(arguments).err.find(option.flag() + " is required") !=
              std::string::npos);
    const std::string variable = program.prefix + capitals(option.name);
    const Environment empty(variable.c_str(), "");
    const bool refused = parsed<Options>(arguments).err.find(variable + ": it is set and empty") !=
                         std::string::npos;
    CHECK(refused == option.is(Trait::never_empty));
}

template <class Options>
void check_options()
{
    Options any;
    const Program program = program_of(any);
    const std::string common = parsed<Options>({"--help"}).out;
    const std::string help = parsed<Options>({"--help-all"}).out;
    const auto has = [](const std::string& text, const Option& option) {
        return text.find(fmt::format("\n  {} ", option.flag())) != std::string::npos;
    };
    std::set<std::string> names;
    for (const Option& option : describe(any).options) {
        CAPTURE(option.name);
        CHECK(names.insert(option.name).second);
        if (option.is(Trait::key_only))
            continue;
        CHECK(has(help, option));
        CHECK(has(common, option) == option.is(Trait::common));
        CHECK_FALSE(option.help.empty());
        CHECK_FALSE(option.group.empty());
        check_every_way<Options>(program, option);
        check_absence<Options>(program, option);
    }
}

// What has to stand beside a key that says where visitors of a service come.
const std::string* beside_outside(const std::string& table, const std::string& key)
{
    static const std::map<std::string, std::string> all{{"outside", ""},
                                                        {"outside-addr", ""},
                                                        {"kind", "hosts = [\"a.example\"]\n"},
                                                        {"hosts", "kind = \"tls\"\n"}};
    const auto found = table == "services" ? all.find(key) : all.end();
    return found == all.end() ? nullptr : &found->second;
}

// What says that visitors of the service speak HTTP, for keys that are for those alone.
bool is_for_http(const std::string& table, const std::string& key)
{
    static const std::set<std::string> all{"host-header", "basic-auth-file", "reuse"};
    return table == "services" && all.contains(key);
}

// Whether a file with this in the table is right, and what is said of it.
template <class Options>
Configured<Options> with_table(const Program& program, const std::string& table,
                               const std::string& text)
{
    std::string all;
    for (const auto& [name, value] : program.needed) {
        if (name != "outside-addr" && (name != "origin-server-addr" || table != "services"))
            all += fmt::format("{} = \"{}\"\n", name, value);
    }
    if (program.name == remote_proxy_name)
        all += "https-addr = \":6\"\n";
    const std::string services = table == "services" || program.name == origin_proxy_name
                                     ? ""
                                     : "[services.y]\noutside-addr = \":4\"\n";
    return configured<Options>(fmt::format("{}{}[{}.x]\n{}", all, services, table, text));
}

template <class Options>
void check_tables()
{
    Options any;
    const Program program = program_of(any);
    for (const OptionTable& table : describe(any).tables) {
        CAPTURE(table.name);
        const std::string& needed = program.needed_in_table.at(table.name);
        for (const Option& key : table.keys) {
            CAPTURE(key.name);
            CHECK_FALSE(key.help.empty());
            CHECK(key.is(Trait::reloads));
            const bool is_needed = needed.starts_with(key.name + ' ');
            const std::string as_given =
                key.value.is_list ? fmt::format("{} = [\"{}\"]\n", key.name, some_value(key))
                                  : as_line(key, some_value(key));
            const std::string companion = key.name == "tls-cert"  ? "tls-key = \"k\"\n"
                                          : key.name == "tls-key" ? "tls-cert = \"c\"\n"
                                          : key.name == "connect-through-password-file"
                                              ? "connect-through = \"http://ann@proxy:7\"\n"
                                              : "";
            std::string text = (is_needed ? "" : needed) + as_given + companion;
            if (const std::string* const others = beside_outside(table.name, key.name))
                text = (program.name == origin_proxy_name ? needed : "") + *others + as_given;
            if (is_for_http(table.name, key.name) && program.name == origin_proxy_name)
                text += "outside = \"http://:8\"\n";
            if (is_for_http(table.name, key.name) && program.name == remote_proxy_name)
                text = "outside = \"http://:8\"\n" + as_given;
            const auto result = with_table<Options>(program, table.name, text);
            if (key.is(Trait::flag_only)) {
                CHECK(result.says("has no meaning"));
                continue;
            }
            CHECK(result.problems == "");
            const OptionValue& shown =
                value_of(result.options.common, fmt::format("{}.x", table.name));
            CHECK(shown.reloads);
            CHECK((shown.text.find(some_value(key)) == std::string::npos) == key.is(Trait::secret));
            CHECK(reads_again(result.options.common, some_value(key)) ==
                  (key.value.file == ValueReader::File::read));
            if (key.is(Trait::required))
                CHECK(with_table<Options>(program, table.name, "kind = \"tcp\"\n")
                          .says(fmt::format("{}.x has no {}", table.name, key.name)));
        }
    }
}

// The names of a program's options, tables, keys of services and commands.
struct Names {
    std::set<std::string> options;
    std::set<std::string> service_keys;
    std::set<std::string> commands;
};

template <class Options>
Names names_of()
{
    Options any;
    const ProgramDescription program = describe(any);
    Names names;
    for (const Option& each : program.options) {
        if (!each.is(Trait::key_only))
            names.options.insert(each.name);
    }
    for (const OptionTable& table : program.tables) {
        names.options.insert(table.name);
        for (const Option& key : table.keys) {
            if (table.name == "services")
                names.service_keys.insert(key.name);
        }
    }
    for (const CommandForm& each : program.commands)
        names.commands.insert(each.word);
    return names;
}

void check_whose(const std::set<std::string>& mine, const std::set<std::string>& others,
                 std::string_view program, std::string_view (*whose)(std::string_view))
{
    for (const std::string& each : mine) {
        CAPTURE(each);
        CHECK(whose(each) == (others.contains(each) ? std::string_view() : program));
    }
}

} // namespace

TEST_CASE("each option of the remote proxy is what its description says, in every way to give it")
{
    check_options<RemoteOptions>();
}

TEST_CASE("each option of the origin proxy is what its description says, in every way to give it")
{
    check_options<OriginOptions>();
}

TEST_CASE("each key of a table is what its description says")
{
    check_tables<RemoteOptions>();
    check_tables<OriginOptions>();
}

TEST_CASE("what holds for all services is left alone by the table of one")
{
    const auto remote = remote_with("[services.a]\noutside-addr = \":2\"\nmax-connections = 7\n");
    CHECK((remote.options.rules == ServiceRules()));
    CHECK(remote.options.services.at(0).rules.visitors.max_connections == 7);
    const auto origin =
        origin_with("[services.a]\norigin-server-addr = \":2\"\nproxy-protocol = \"v2\"\n");
    CHECK((origin.options.rules == ServingRules()));
    CHECK(origin.options.services.at(0).rules.proxy_protocol == ProxyProtocol::v2);
}

TEST_CASE("what holds for all services holds for each that does not say otherwise")
{
    for (const auto* const service : {"service = \"a=:2\"\n", ""}) {
        const std::string table = *service == '\0' ? "[services.a]\noutside-addr = \":2\"\n" : "";
        const auto remote = remote_with(std::string(service) + "max-connections = 7\n" + table);
        CHECK(remote.problems == "");
        CHECK((remote.options.services.at(0).rules == remote.options.rules));
        CHECK(remote.options.rules.visitors.max_connections == 7);
    }
    const auto origin = origin_with("service = \"a=:2\"\nproxy-protocol = \"v2\"\n");
    CHECK((origin.options.services.at(0).rules == origin.options.rules));
}

TEST_CASE("each program knows which options, keys and commands only the other has")
{
    const auto remote = names_of<RemoteOptions>();
    const auto origin = names_of<OriginOptions>();
    const auto check = [](const Names& mine, const Names& others, std::string_view program) {
        check_whose(mine.options, others.options, program, only_program_with_key);
        check_whose(mine.service_keys, others.service_keys, program, only_program_with_service_key);
        check_whose(mine.commands, others.commands, program, only_program_with_command);
    };
    check(remote, origin, remote_proxy_name);
    check(origin, remote, origin_proxy_name);
}
