// The options that are in force, as texts: for print-config, and to be compared at a reload.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/options/flag.hpp"
#include "common/options/print_configuration.hpp"
#include "common/options/value_readers.hpp"

namespace tunnel {

namespace {

// As one flag holds them: "10.0.0.0/8,::1", or with line ends where it was given several times.
std::vector<std::string> split(const std::vector<std::string>& texts)
{
    std::vector<std::string> all;
    for (const std::string& each : texts) {
        for (std::string& value : split_values(each))
            all.push_back(std::move(value));
    }
    return all;
}

// Of a key in a table: its text, or those of its list.
void add_files(const Setting& setting, std::vector<std::string>& files)
{
    if (setting.kind == Setting::Kind::list) {
        for (const Setting& each : setting.entries)
            add_files(each, files);
    } else if (!setting.text.empty()) {
        files.push_back(setting.text);
    }
}

// Each table [KEY.NAME] as a value. All of them are applied by a reload.
void add_values(const Setting& tables, const OptionList& keys, std::vector<OptionValue>& values)
{
    for (const Setting& each : tables.entries) {
        Setting alone;
        alone.key = tables.key;
        alone.entries.push_back(each);
        OptionValue& value =
            values.emplace_back(OptionValue{fmt::format("{}.{}", tables.key, each.key)});
        value.text = to_toml(alone, keys);
        value.is_flag = false;
        value.reloads = true;
        for (const Setting& key : each.entries) {
            const Option* const known = find_option(keys, key.key);
            if (known != nullptr && known->value.file == ValueReader::File::read)
                add_files(key, value.files);
        }
    }
}

} // namespace

std::vector<OptionValue> CommandLine::values() const
{
    std::vector<OptionValue> all;
    for (const auto& flag : flags_) {
        const Option& option = flag->option;
        OptionValue& value = all.emplace_back(OptionValue{option.name});
        value.reloads = option.is(Trait::reloads);
        value.reads_files = option.value.file != ValueReader::File::written;
        if (option.is_switch())
            value.text = *option.value.is_on ? "true" : "false";
        else if (option.value.is_list)
            value.text = fmt::format("{}", fmt::join(flag->texts, ","));
        else
            value.text = flag->texts.empty() ? option.value.if_absent : flag->texts.back();
        if (option.value.file != ValueReader::File::none && !value.text.empty())
            value.files.push_back(value.text);
    }
    for (const Table& each : tables_)
        add_values(each.found, each.table.keys, all);
    return all;
}

std::string CommandLine::print() const
{
    std::string all;
    if (!common_.default_file.empty())
        all = fmt::format("# from {}, the default place\n",
                          log::escape(common_.default_file.string()));
    for (const auto& flag : flags_) {
        const Option& option = flag->option;
        if (option.is_switch())
            all += fmt::format("{} = {}\n", option.name, *option.value.is_on);
        else if (option.value.is_list)
            all += toml_line(option.name, split(flag->texts));
        else if (!flag->texts.empty())
            all += toml_line(option.name, flag->texts.back());
        else if (!option.printed_default().empty())
            all += toml_line(option.name, option.printed_default());
    }
    if (trust_.secret)
        all += fmt::format("# the secret is in the environment: {}\n", variable_of("secret"));
    if (remarks_) {
        for (const std::string& each : remarks_())
            all += fmt::format("# {}\n", each);
    }
    for (const Table& each : tables_)
        all += to_toml(each.found, each.table.keys);
    return all;
}

// The same values under the same keys; a secret of the environment is not among them.
std::string CommandLine::print_as_json() const
{
    Json all = Json::object();
    for (const auto& flag : flags_) {
        const Option& option = flag->option;
        if (option.is_switch())
            all[option.name] = *option.value.is_on;
        else if (option.value.is_list && !flag->texts.empty())
            all[option.name] = split(flag->texts);
        else if (!option.value.is_list && !flag->texts.empty())
            all[option.name] = number_or_text(flag->texts.back());
        else if (!option.value.is_list && !option.printed_default().empty())
            all[option.name] = number_or_text(std::string(option.printed_default()));
    }
    for (const Table& each : tables_) {
        if (!each.found.entries.empty())
            all[each.found.key] = to_json(each.found, each.table.keys);
    }
    return to_line(all) + '\n';
}

} // namespace tunnel
