#include "common/options/table_reader.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/options/key_names.hpp"
#include "common/options/nearest_name.hpp"
#include "common/options/other_program.hpp"

namespace tunnel {

TableReader::TableReader(const Setting& table, std::string name, Problems& problems)
    : table_(table), name_(std::move(name)), problems_(problems)
{
}

std::string TableReader::called(const std::string& key) const
{
    return name_.empty() ? key : fmt::format("{} of {}", key, name_);
}

const Setting* TableReader::take(const std::string& key)
{
    known_.push_back(key);
    return table_.find(key);
}

void TableReader::complain(const Setting& setting, const std::string& what)
{
    problems_.add(setting.place, what);
}

void TableReader::read_text(const Setting& setting, const Option& key, std::string_view expected)
{
    if (setting.kind != Setting::Kind::text && setting.kind != Setting::Kind::number) {
        complain(setting, fmt::format("{} is {}, expected {}", called(key.name),
                                      describe(setting.kind), expected));
        return;
    }
    try {
        key.value.read(setting.text);
    } catch (const std::invalid_argument& error) {
        complain(setting, fmt::format("{}: {}", called(key.name), error.what()));
    }
}

void TableReader::read_list(const Setting& setting, const Option& key)
{
    constexpr std::string_view expected = "texts in quotes or whole numbers, one or a list of them";
    // In a table of several, where the same may be said for all of them.
    const bool replaces = !name_.empty() && key.value.clear;
    if (replaces)
        key.value.clear();
    if (replaces && setting.kind == Setting::Kind::text && setting.text == "off")
        return;
    if (setting.kind != Setting::Kind::list)
        return read_text(setting, key, expected);
    if (setting.entries.empty() && !key.is(Trait::may_be_empty))
        complain(setting,
                 fmt::format("{} is an empty list, expected {}", called(key.name),
                             replaces ? "values, or \"off\" for none; leave the key out for those "
                                        "of all tables"
                                      : "one value at least; leave the key out to do without"));
    for (const Setting& each : setting.entries)
        read_text(each, key, expected);
}

void TableReader::read_switch(const Setting& setting, const Option& key)
{
    if (setting.kind == Setting::Kind::boolean)
        *key.value.is_on = setting.text == "true";
    else
        complain(setting, fmt::format("{} is {}, expected true or false without quotes",
                                      called(key.name), describe(setting.kind)));
}

void TableReader::read(const Option& key)
{
    const Setting* const setting = take(key.name);
    if (setting == nullptr)
        return;
    if (key.value.take)
        key.value.take(*setting);
    else if (key.is_switch())
        read_switch(*setting, key);
    else if (key.value.is_list)
        read_list(*setting, key);
    else
        read_text(*setting, key, "a text in quotes or a whole number");
}

void TableReader::read(const OptionList& keys)
{
    for (const Option& each : keys) {
        if (each.is(Trait::flag_only))
            continue;
        read(each);
        if (each.is(Trait::required) && table_.find(each.name) == nullptr)
            problems_.add(table_.place, fmt::format("{} has no {}", name_, each.name));
    }
}

const Setting* TableReader::table(const std::string& key)
{
    const Setting* const setting = take(key);
    if (setting == nullptr || setting->kind == Setting::Kind::table)
        return setting;
    complain(*setting, fmt::format("{} is {}, expected tables [{}.NAME]", called(key),
                                   describe(setting->kind), key));
    return nullptr;
}

void TableReader::refuse(const std::string& key, const std::string& why)
{
    refused_.push_back(key);
    if (const Setting* const setting = table_.find(key))
        complain(*setting, why);
}

void TableReader::finish(const std::string& expected)
{
    for (const Setting& each : table_.entries) {
        if (std::ranges::find(known_, each.key) != known_.end() ||
            std::ranges::find(refused_, each.key) != refused_.end())
            continue;
        const std::string_view program = name_.starts_with("services.")
                                             ? only_program_with_service_key(each.key)
                                             : std::string_view();
        if (!program.empty()) { // and not this one, which would know it
            complain(each, fmt::format("'{}' of {} has no meaning, expected only in a file for {}",
                                       each.key, name_, program));
            continue;
        }
        const std::string meant = nearest(each.key, known_);
        const std::string key =
            name_.empty() ? fmt::format("{} has no meaning here", shown(each.key))
                          : fmt::format("{} of {} has no meaning", shown(each.key), name_);
        complain(each,
                 fmt::format("{}, {}", key,
                             meant.empty() ? expected : fmt::format("did you mean {}?", meant)));
    }
}

void TableReader::finish()
{
    finish(fmt::format("expected {}", fmt::join(known_, ", ")));
}

void for_each_table(const Setting& tables, Problems& problems,
                    const std::function<void(const Setting& table)>& read)
{
    for (const Setting& each : tables.entries) {
        if (!is_plain_name(each.key))
            problems.add(each.place, std::string(plain_name_syntax));
        else if (each.kind != Setting::Kind::table)
            problems.add(each.place, fmt::format("{} is {}, expected a table [{}.NAME]",
                                                 shown(each.key), describe(each.kind), tables.key));
        else
            read(each);
    }
}

} // namespace tunnel
