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

void TableReader::read_text(const Setting& setting, const std::string& key, const Read& read,
                            std::string_view expected)
{
    if (setting.kind != Setting::Kind::text && setting.kind != Setting::Kind::number) {
        complain(setting, fmt::format("{} is {}, expected {}", called(key), describe(setting.kind),
                                      expected));
        return;
    }
    try {
        read(setting.text);
    } catch (const std::invalid_argument& error) {
        complain(setting, fmt::format("{}: {}", called(key), error.what()));
    }
}

void TableReader::one(const std::string& key, const Read& read)
{
    if (const Setting* const setting = take(key))
        read_text(*setting, key, read, "a text in quotes or a whole number");
}

void TableReader::several(const std::string& key, const Read& read)
{
    constexpr std::string_view expected = "texts in quotes or whole numbers, one or a list of them";
    const Setting* const setting = take(key);
    if (setting == nullptr)
        return;
    if (setting->kind != Setting::Kind::list) {
        read_text(*setting, key, read, expected);
        return;
    }
    if (setting->entries.empty() && !may_be_empty(key))
        complain(*setting, fmt::format("{} is an empty list, expected one value at least; leave "
                                       "the key out to do without",
                                       called(key)));
    for (const Setting& each : setting->entries)
        read_text(each, key, read, expected);
}

void TableReader::instead(const Setting& setting, const Read& read,
                          const std::function<void()>& clear)
{
    clear();
    if (setting.kind == Setting::Kind::text && setting.text == "off")
        take(setting.key);
    else if (is_empty_list(setting) && !may_be_empty(setting.key))
        refuse(setting.key,
               fmt::format("{} is an empty list, expected values, or \"off\" for none; leave the "
                           "key out for those of all tables",
                           called(setting.key)));
    else
        several(setting.key, read);
}

void TableReader::boolean(const std::string& key, bool& value)
{
    const Setting* const setting = take(key);
    if (setting == nullptr)
        return;
    if (setting->kind == Setting::Kind::boolean)
        value = setting->text == "true";
    else
        complain(*setting, fmt::format("{} is {}, expected true or false without quotes",
                                       called(key), describe(setting->kind)));
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
    if (const Setting* const setting = take(key))
        complain(*setting, why);
}

void TableReader::finish(const std::string& expected)
{
    for (const Setting& each : table_.entries) {
        if (std::ranges::find(known_, each.key) != known_.end())
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
