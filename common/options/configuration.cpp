// The options of a program out of its configuration file.
#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/options/default_places.hpp"
#include "common/options/flag.hpp"
#include "common/options/other_program.hpp"
#include "common/options/table_reader.hpp"

namespace tunnel {

namespace {

std::vector<std::string> texts_of(const std::vector<std::filesystem::path>& paths)
{
    std::vector<std::string> all;
    for (const std::filesystem::path& each : paths)
        all.push_back(each.string());
    return all;
}

} // namespace

// No key of ours alone, and some that only the other program has.
bool CommandLine::is_of_other_program(const Setting& settings, Problems& problems) const
{
    const auto counts = [this](std::string_view program, std::size_t& ours, std::size_t& theirs) {
        if (!program.empty())
            ++(program == program_.name ? ours : theirs);
    };
    std::size_t ours = 0;
    std::size_t theirs = 0;
    for (const Setting& each : settings.entries) {
        counts(only_program_with_key(each.key), ours, theirs);
        if (each.key != "services" || each.kind != Setting::Kind::table)
            continue;
        for (const Setting& service : each.entries) {
            for (const Setting& key : service.entries)
                counts(only_program_with_service_key(key.key), ours, theirs);
        }
    }
    if (ours > 0 || theirs == 0)
        return false;
    const std::string_view other =
        program_.name == remote_proxy_name ? origin_proxy_name : remote_proxy_name;
    problems.add(
        {settings.place.file, 1},
        fmt::format("this is a file for {}, and this program is {}", other, program_.name));
    return true;
}

bool CommandLine::read_file(const Setting& settings, Problems& problems)
{
    if (is_of_other_program(settings, problems))
        return false;
    TableReader top(settings, "", problems);
    for (const auto& flag : flags_) {
        const Option& option = flag->option;
        const Setting* const found = settings.find(option.name);
        // [service.NAME] for [services.NAME]
        if (found != nullptr && found->kind == Setting::Kind::table &&
            has_table(option.name + 's')) {
            top.refuse(option.name, fmt::format("[{0}.NAME] has no meaning, did you mean "
                                                "[{0}s.NAME]?",
                                                option.name));
            continue;
        }
        if (flag->on_command_line()) { // which wins, even over nonsense
            top.take(option.name);
            continue;
        }
        flag->in_file = found != nullptr;
        top.read(option);
        if (found != nullptr && is_empty_list(*found) && option.is(Trait::may_be_empty))
            file_doubts_.push_back(fmt::format("{}: {} is an empty list, and refuses nobody",
                                               to_string(found->place), option.name));
    }
    read_tables(settings, top, problems);
    for (const Setting& each : settings.entries) {
        const std::string_view program = only_program_with_key(each.key);
        if (!program.empty() && program != program_.name)
            top.refuse(each.key,
                       fmt::format("'{}' has no meaning here, expected only in a file for {}",
                                   each.key, program));
    }
    top.refuse("secret", "no secret can be here, expected secret-file with the name of a file");
    top.refuse("config", "this is the file of --config, expected include for others");
    top.finish("expected the name of a flag without its dashes, see --help");
    return true;
}

void CommandLine::read_tables(const Setting& settings, TableReader& top, Problems& problems)
{
    for (Table& each : tables_) {
        const OptionTable& known = each.table;
        const Setting* const table = top.table(known.name);
        each.is_in_file = table != nullptr;
        if (table == nullptr || !holds(known, settings, problems))
            continue;
        if (table->entries.empty()) // without [origins] nobody would have to prove anything
            problems.add(table->place, fmt::format("{0} is empty, expected tables [{0}.NAME]; "
                                                   "leave it out to do without",
                                                   known.name));
        known.read(*table, problems);
        each.found = *table;
    }
}

bool CommandLine::has_table(std::string_view name) const
{
    return std::ranges::any_of(tables_,
                               [name](const Table& each) { return each.table.name == name; });
}

bool CommandLine::holds(const OptionTable& table, const Setting& settings, Problems& problems) const
{
    const auto same =
        std::ranges::find(flags_, table.option, [](const auto& each) { return each->option.name; });
    if (same == flags_.end() || !(*same)->is_given())
        return true;
    if ((*same)->on_command_line())
        return false;
    if (table.adds_to_option)
        return true;
    const Setting& key = *settings.find(table.option);
    problems.add(key.place,
                 fmt::format("{} is here and [{}] in {}, expected one of the two", key.key,
                             table.name, to_string(settings.find(table.name)->place)));
    return false;
}

void CommandLine::look_for_contradictions(Problems& problems) const
{
    const auto add = [&problems](const std::string& wrong) {
        if (!wrong.empty())
            problems.add(wrong);
    };
    if (common_.command.asks())
        return add(objection_to_asking());
    for (const auto& flag : flags_) {
        if (!flag->option.is(Trait::required) || flag->is_given())
            continue;
        const std::string in_file =
            config_.empty() ? "" : fmt::format(", or {} in {}", flag->option.name, config_);
        problems.add(fmt::format("{} is required{}", flag->name, in_file));
    }
    add(trust_.contradiction());
    if (common_.command.takes_over() && common_.takeover_socket.empty())
        add("takeover needs --takeover-socket, with what the program that runs has there");
    add(common_.management.contradiction());
    add(contradiction_ ? contradiction_() : "");
}

// Where nobody says where to ask, a command asks where packages let the program listen.
std::string CommandLine::objection_to_asking() const
{
    ManagementOptions& management = common_.management;
    const auto sockets = default_management_sockets(program_.name);
    if (!management.address) {
        if (const auto socket = best_socket(sockets); !socket.empty())
            management.address = ManagementAddress{socket.string()};
    }
    if (!management.address)
        return fmt::format("{}. Nor is there a socket at {}", management.objection_to_asking(),
                           fmt::join(texts_of(sockets), " or "));
    const std::string objection = management.objection_to_asking();
    return objection.empty() ? objection_to_https(common_.command, management) : objection;
}

std::string CommandLine::parse_text(std::string_view toml, const std::string& path)
{
    Problems problems;
    Setting settings = parse_toml(toml, path, configuration_syntax, problems);
    std::erase_if(settings.entries, [](const Setting& each) { return each.key == "include"; });
    if (problems.empty() && read_file(settings, problems))
        look_for_contradictions(problems);
    if (problems.empty()) // else a secret may stand under a key that nobody knows for one
        common_.values = values();
    return problems.text();
}

} // namespace tunnel
