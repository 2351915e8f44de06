#include "common/options/print_configuration.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/options/text_values.hpp"

namespace tunnel {

namespace {

// As others may see it.
std::string shown_text(const std::string& text, const Option* key)
{
    if (key != nullptr && key->is(Trait::secret))
        return std::string(masked);
    return key != nullptr && key->value.shown ? key->value.shown(text) : text;
}

// A name that is no plain one was a problem before it could come here.
std::string value(const Setting& setting, const Option* key)
{
    if (setting.kind == Setting::Kind::list) {
        std::vector<std::string> all;
        for (const Setting& each : setting.entries)
            all.push_back(value(each, key));
        return fmt::format("[{}]", fmt::join(all, ", "));
    }
    if (setting.kind == Setting::Kind::text)
        return in_quotes(shown_text(setting.text, key));
    return setting.text;
}

// Without quotes in TOML and JSON, neither of which has 007.
bool is_whole_number(std::string_view text)
{
    const auto number = parse_number(text);
    return number && std::to_string(*number) == text;
}

Json json_value(const Setting& setting, const Option* key)
{
    if (setting.kind == Setting::Kind::list) {
        Json all = Json::array();
        for (const Setting& each : setting.entries)
            all.push_back(json_value(each, key));
        return all;
    }
    if (key != nullptr && key->is(Trait::secret))
        return masked;
    switch (setting.kind) {
    case Setting::Kind::text:
        return shown_text(setting.text, key);
    case Setting::Kind::number:
        return number_or_text(setting.text);
    case Setting::Kind::boolean:
        return setting.text == "true";
    default: // was a problem before it could come here
        return nullptr;
    }
}

} // namespace

std::string in_quotes(std::string_view text)
{
    std::string all = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\')
            all += '\\';
        if (static_cast<unsigned char>(c) < ' ' || c == '\x7f')
            all += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
        else
            all += c;
    }
    return all + '"';
}

std::string toml_line(std::string_view key, std::string_view text)
{
    return fmt::format("{} = {}\n", key,
                       is_whole_number(text) ? std::string(text) : in_quotes(text));
}

std::string toml_line(std::string_view key, const std::vector<std::string>& texts)
{
    if (texts.empty())
        return {};
    std::vector<std::string> all;
    for (const std::string& text : texts)
        all.push_back(in_quotes(text));
    return fmt::format("{} = [{}]\n", key, fmt::join(all, ", "));
}

std::string to_toml(const Setting& tables, const OptionList& keys)
{
    std::string all;
    for (const Setting& table : tables.entries) {
        const bool bare = table.key.find('.') == std::string::npos; // else it would be two names
        all += fmt::format("\n[{}.{}]\n", tables.key, bare ? table.key : in_quotes(table.key));
        for (const Setting& each : table.entries)
            all += fmt::format("{} = {}\n", each.key, value(each, find_option(keys, each.key)));
    }
    return all;
}

Json to_json(const Setting& tables, const OptionList& keys)
{
    Json all = Json::object();
    for (const Setting& table : tables.entries) {
        Json& values = all[table.key] = Json::object();
        for (const Setting& each : table.entries)
            values[each.key] = json_value(each, find_option(keys, each.key));
    }
    return all;
}

Json number_or_text(const std::string& text)
{
    const auto number = parse_number(text);
    return is_whole_number(text) ? Json(*number) : Json(text);
}

} // namespace tunnel
