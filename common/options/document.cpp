#include "common/options/document.hpp"

#include <algorithm>
#include <optional>

#include <fmt/format.h>
#include <toml++/toml.h>

#include "common/base/log.hpp"
#include "common/options/key_names.hpp"

namespace tunnel {

namespace {

// [services.NAME] with a list in it is three; what is deeper has no meaning.
constexpr int deepest = 4;

FilePlace place_of(const toml::source_region& source, const std::string& path)
{
    return {path, source.begin.line == 0 ? 1 : source.begin.line};
}

Setting convert(const toml::node& node, const std::string& path, int depth);

std::vector<Setting> entries_of(const toml::node& node, const std::string& path, int depth)
{
    std::vector<Setting> entries;
    if (depth > deepest)
        return entries;
    if (const toml::array* const array = node.as_array()) {
        for (const toml::node& each : *array)
            entries.push_back(convert(each, path, depth + 1));
        return entries;
    }
    for (const auto& [key, value] : *node.as_table()) {
        Setting& added = entries.emplace_back(convert(value, path, depth + 1));
        added.key = std::string(key.str());
        added.place = place_of(key.source(), path);
    }
    // The library has them in the order of the alphabet.
    std::ranges::stable_sort(entries, {}, [](const Setting& each) { return each.place.line; });
    return entries;
}

Setting convert(const toml::node& node, const std::string& path, int depth)
{
    Setting setting;
    setting.place = place_of(node.source(), path);
    if (const auto* const text = node.as_string()) {
        setting.kind = Setting::Kind::text;
        setting.text = text->get();
    } else if (const auto* const number = node.as_integer()) {
        setting.kind = Setting::Kind::number;
        setting.text = std::to_string(number->get());
    } else if (const auto* const boolean = node.as_boolean()) {
        setting.kind = Setting::Kind::boolean;
        setting.text = boolean->get() ? "true" : "false";
    } else if (node.is_array() || node.is_table()) {
        setting.kind = node.is_array() ? Setting::Kind::list : Setting::Kind::table;
        setting.entries = entries_of(node, path, depth);
    } else {
        setting.kind = Setting::Kind::other;
    }
    return setting;
}

// The library makes a table in a table of each part of a name, and destroys them by recursion: a
// name of a hundred thousand parts would end the program.
std::optional<std::size_t> line_of_a_long_name(std::string_view text)
{
    constexpr int most_dots = 32; // [services.NAME] has one
    std::size_t line = 1;
    int dots = 0;
    char quote = 0; // that is open, or #
    for (const char c : text) {
        if (c == '\n') {
            ++line;
            dots = 0;
            quote = 0;
        } else if (quote == '#') {
            continue; // a comment, to the end of the line
        } else if (quote != 0) {
            quote = c == quote ? '\0' : quote;
        } else if (c == '"' || c == '\'' || c == '#') {
            quote = c;
        } else if (c == '.' && ++dots > most_dots) {
            return line;
        }
    }
    return std::nullopt;
}

void complain_of_a_second(const Setting& second, const Setting& first, const std::string& name,
                          Problems& problems)
{
    problems.add(second.place,
                 fmt::format("{} is in {} too, expected it once", name, to_string(first.place)));
}

// Names of services and origin proxies are there to be shown.
std::string name_of(const Setting& table, const Setting& named)
{
    return is_plain_name(table.key) && is_plain_name(named.key) &&
                   named.kind == Setting::Kind::table
               ? fmt::format("{}.{}", table.key, named.key)
               : shown(named.key);
}

std::string line(const std::pair<FilePlace, std::string>& problem)
{
    const auto& [place, what] = problem;
    return place.file.empty() ? what : fmt::format("{}: {}", to_string(place), what);
}

} // namespace

std::string to_string(const FilePlace& place)
{
    return fmt::format("{} line {}", log::escape(place.file), place.line);
}

void Problems::add(const FilePlace& place, const std::string& what)
{
    all_.emplace_back(place, what);
}

std::vector<std::pair<FilePlace, std::string>> Problems::sorted() const
{
    auto sorted = all_;
    std::ranges::stable_sort(sorted, {}, [](const auto& each) { return each.first; });
    return sorted;
}

std::string Problems::text() const
{
    std::string text;
    for (const auto& each : sorted()) {
        if (!text.empty())
            text += '\n';
        text += line(each);
    }
    return text;
}

std::string Problems::first() const
{
    return line(all_.front());
}

const Setting* Setting::find(std::string_view wanted) const
{
    const auto found = std::ranges::find(entries, wanted, &Setting::key);
    return found == entries.end() ? nullptr : &*found;
}

Setting* Setting::find(std::string_view wanted)
{
    const auto found = std::ranges::find(entries, wanted, &Setting::key);
    return found == entries.end() ? nullptr : &*found;
}

std::string_view describe(Setting::Kind kind)
{
    switch (kind) {
    case Setting::Kind::text:
        return "text";
    case Setting::Kind::number:
        return "a number";
    case Setting::Kind::boolean:
        return "true or false";
    case Setting::Kind::list:
        return "a list";
    case Setting::Kind::table:
        return "a table";
    case Setting::Kind::other:
        break;
    }
    return "a fraction or a date";
}

Setting parse_toml(std::string_view text, const std::string& path, std::string_view expected,
                   Problems& problems)
{
    Setting nothing;
    nothing.place = {path, 1};
    if (const auto line = line_of_a_long_name(text)) {
        problems.add({path, *line}, fmt::format("a name has too many parts, {}", expected));
        return nothing;
    }
    try {
        Setting all = convert(toml::parse(text, path), path, 0);
        all.place = {path, 1};
        return all;
    } catch (const toml::parse_error& error) {
        // Its description may quote what stands there, which may be a secret, and even the column
        // may depend on it.
        const bool twice = error.description().find("redefine") != std::string_view::npos;
        problems.add({path, error.source().begin.line},
                     fmt::format("this line cannot be read{}, {}",
                                 twice ? ", since a name is there a second time" : "", expected));
        return nothing;
    }
}

void merge(Setting& all, Setting other, Problems& problems)
{
    for (Setting& each : other.entries) {
        Setting* const there = all.find(each.key);
        if (there == nullptr) {
            all.entries.push_back(std::move(each));
        } else if (there->kind != Setting::Kind::table || each.kind != Setting::Kind::table) {
            complain_of_a_second(each, *there, shown(each.key), problems);
        } else {
            for (Setting& named : each.entries) {
                if (const Setting* const twin = there->find(named.key))
                    complain_of_a_second(named, *twin, name_of(each, named), problems);
                else
                    there->entries.push_back(std::move(named));
            }
        }
    }
}

} // namespace tunnel
