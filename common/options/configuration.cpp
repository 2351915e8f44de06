// The flags of a program out of its configuration file, and into one.
#include <algorithm>

#include <fmt/format.h>

#include "common/base/json.hpp"
#include "common/options/flag.hpp"
#include "common/options/options.hpp"
#include "common/options/other_program.hpp"
#include "common/options/print_configuration.hpp"
#include "common/options/table_reader.hpp"
#include "common/options/text_values.hpp"

namespace tunnel {

namespace {

// As one flag holds them: "10.0.0.0/8,::1", or with line ends where it was given several times.
std::vector<std::string> split(const std::vector<std::string>& texts)
{
    std::vector<std::string> all;
    for (std::string_view rest : texts) {
        for (;;) {
            const std::size_t end = rest.find_first_of(",\n");
            all.emplace_back(rest.substr(0, end));
            if (end == std::string_view::npos)
                break;
            rest.remove_prefix(end + 1);
        }
    }
    return all;
}

Json number_or_text(const std::string& text)
{
    const auto number = parse_number(text);
    return number && std::to_string(*number) == text ? Json(*number) : Json(text);
}

// With secrets masked, as to_toml() does it.
Json to_json(const Setting& setting)
{
    switch (setting.kind) {
    case Setting::Kind::text:
        return setting.text;
    case Setting::Kind::number:
        return number_or_text(setting.text);
    case Setting::Kind::boolean:
        return setting.text == "true";
    case Setting::Kind::list: {
        Json all = Json::array();
        for (const Setting& each : setting.entries)
            all.push_back(is_secret(setting) ? Json(masked) : to_json(each));
        return all;
    }
    case Setting::Kind::table: {
        Json all = Json::object();
        for (const Setting& each : setting.entries)
            all[each.key] =
                is_secret(each) && each.kind != Setting::Kind::list ? Json(masked) : to_json(each);
        return all;
    }
    case Setting::Kind::other:
        break;
    }
    return nullptr;
}

// Each table [KEY.NAME] as a value. All of them are applied by a reload.
void add_values(const Setting& tables, std::vector<OptionValue>& values)
{
    for (const Setting& each : tables.entries) {
        Setting alone;
        alone.key = tables.key;
        alone.entries.push_back(each);
        OptionValue& value =
            values.emplace_back(OptionValue{fmt::format("{}.{}", tables.key, each.key)});
        value.text = to_toml(alone);
        value.is_flag = false;
        value.reloads = true;
        for (const Setting& key : each.entries) {
            if (key.key.ends_with("-file") || key.key.starts_with("tls-"))
                value.files.push_back(key.text);
        }
        std::erase(value.files, std::string());
    }
}

} // namespace

// No key of ours alone, and some that only the other program has.
bool CommandLine::is_of_other_program(const Setting& settings, Problems& problems) const
{
    const auto counts = [this](std::string_view program, std::size_t& ours, std::size_t& theirs) {
        if (!program.empty())
            ++(program == program_ ? ours : theirs);
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
        program_ == remote_proxy_name ? origin_proxy_name : remote_proxy_name;
    problems.add({settings.place.file, 1},
                 fmt::format("this is a file for {}, and this program is {}", other, program_));
    return true;
}

bool CommandLine::read_file(const Setting& settings, Problems& problems)
{
    if (is_of_other_program(settings, problems))
        return false;
    TableReader top(settings, "", problems);
    if (const Setting* const service = settings.find("service");
        service != nullptr && service->kind == Setting::Kind::table)
        top.refuse("service", "[service.NAME] has no meaning, did you mean [services.NAME]?");
    for (const auto& flag : flags_) {
        const std::string key = flag->key();
        if (flag->on_command_line()) { // which wins, even over nonsense
            top.take(key);
            continue;
        }
        const Setting* const found = settings.find(key);
        if (key == "service" && found != nullptr && found->kind == Setting::Kind::table)
            continue; // was said
        flag->in_file = found != nullptr;
        if (found != nullptr && is_empty_list(*found) && may_be_empty(key)) {
            top.take(key);
            file_doubts_.push_back(fmt::format("{}: {} is an empty list, and refuses nobody",
                                               to_string(found->place), key));
            continue;
        }
        if (flag->is_on != nullptr)
            top.boolean(key, *flag->is_on);
        else if (flag->several)
            top.several(key, flag->read);
        else
            top.one(key, flag->read);
    }
    for (Table& each : tables_) {
        const Setting* const table = top.table(each.name);
        each.found = table != nullptr;
        if (table == nullptr || !holds(each, settings, problems))
            continue;
        if (table->entries.empty()) // without [origins] nobody would have to prove anything
            problems.add(table->place, fmt::format("{0} is empty, expected tables [{0}.NAME]; "
                                                   "leave it out to do without",
                                                   each.name));
        each.read(*table, problems);
        printed_tables_.push_back(*table);
        add_values(*table, table_values_);
    }
    for (const Setting& each : settings.entries) {
        const std::string_view program = only_program_with_key(each.key);
        if (!program.empty() && program != program_)
            top.refuse(each.key,
                       fmt::format("'{}' has no meaning here, expected only in a file for {}",
                                   each.key, program));
    }
    top.refuse("secret", "no secret can be here, expected secret-file with the name of a file");
    top.refuse("config", "this is the file of --config, expected include for others");
    top.finish("expected the name of a flag without its dashes, see --help");
    return true;
}

bool CommandLine::holds(const Table& table, const Setting& settings, Problems& problems) const
{
    const auto same = std::ranges::find(flags_, table.flag, &Flag::name);
    if (same == flags_.end() || !(*same)->is_given())
        return true;
    if ((*same)->on_command_line())
        return false;
    if (table.in_file == InFile::both)
        return true;
    const Setting& key = *settings.find((*same)->key());
    problems.add(key.place,
                 fmt::format("{} is here and [{}] in {}, expected one of the two", key.key,
                             table.name, to_string(settings.find(table.name)->place)));
    return false;
}

void CommandLine::look_for_contradictions(Problems& problems) const
{
    if (common_ != nullptr && common_->command.is_given()) {
        if (const std::string wrong = common_->management.objection_to_asking(); !wrong.empty())
            problems.add(wrong);
        return;
    }
    for (const auto& flag : flags_) {
        if (!flag->required || flag->is_given())
            continue;
        const std::string in_file =
            config_.empty() ? "" : fmt::format(", or {} in {}", flag->key(), config_);
        problems.add(fmt::format("{} is required{}", flag->name, in_file));
    }
    if (trust_ != nullptr && !trust_->contradiction().empty())
        problems.add(trust_->contradiction());
    if (common_ != nullptr && !common_->management.contradiction().empty())
        problems.add(common_->management.contradiction());
    if (const std::string wrong = contradiction_ ? contradiction_() : ""; !wrong.empty())
        problems.add(wrong);
}

std::string CommandLine::parse_text(std::string_view toml, const std::string& path)
{
    Problems problems;
    Setting settings = parse_toml(toml, path, configuration_syntax, problems);
    std::erase_if(settings.entries, [](const Setting& each) { return each.key == "include"; });
    if (problems.empty()) {
        if (read_file(settings, problems))
            look_for_contradictions(problems);
    }
    return problems.text();
}

std::string CommandLine::print() const
{
    std::string all;
    for (const auto& flag : flags_) {
        if (flag->is_on != nullptr)
            all += fmt::format("{} = {}\n", flag->key(), *flag->is_on);
        else if (flag->several)
            all += toml_line(flag->key(), split(flag->texts));
        else if (!flag->texts.empty())
            all += toml_line(flag->key(), flag->texts.back());
        else if (!flag->has_no_text())
            all += toml_line(flag->key(), flag->if_absent);
    }
    if (trust_ != nullptr && trust_->secret)
        all += fmt::format("# the secret is in the environment: {}SECRET\n", environment_prefix_);
    for (const Setting& each : printed_tables_)
        all += to_toml(each);
    return all;
}

// The same values under the same keys; a secret of the environment is not among them.
std::string CommandLine::print_as_json() const
{
    Json all = Json::object();
    for (const auto& flag : flags_) {
        if (flag->is_on != nullptr)
            all[flag->key()] = *flag->is_on;
        else if (flag->several && !flag->texts.empty())
            all[flag->key()] = split(flag->texts);
        else if (!flag->several && !flag->texts.empty())
            all[flag->key()] = number_or_text(flag->texts.back());
        else if (!flag->several && !flag->has_no_text())
            all[flag->key()] = number_or_text(flag->if_absent);
    }
    for (const Setting& each : printed_tables_)
        all[each.key] = to_json(each);
    return to_line(all) + '\n';
}

} // namespace tunnel
