#include "common/options/print_configuration.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/options/text_values.hpp"

namespace tunnel {

namespace {

// A name that is no plain one was a problem before it could come here.
std::string value(const Setting& setting, bool secret)
{
    if (setting.kind == Setting::Kind::list) {
        std::vector<std::string> all;
        for (const Setting& each : setting.entries)
            all.push_back(value(each, secret));
        return fmt::format("[{}]", fmt::join(all, ", "));
    }
    if (setting.kind == Setting::Kind::text)
        return in_quotes(secret ? masked : std::string_view(setting.text));
    return setting.text;
}

} // namespace

bool is_secret(const Setting& setting)
{
    return setting.key == "secret" || setting.key == "secrets";
}

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
    const auto number = parse_number(text);
    const bool bare = number && std::to_string(*number) == text; // TOML has no 007
    return fmt::format("{} = {}\n", key, bare ? std::string(text) : in_quotes(text));
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

std::string to_toml(const Setting& tables)
{
    std::string all;
    for (const Setting& table : tables.entries) {
        const bool bare = table.key.find('.') == std::string::npos; // else it would be two names
        all += fmt::format("\n[{}.{}]\n", tables.key, bare ? table.key : in_quotes(table.key));
        for (const Setting& each : table.entries)
            all += fmt::format("{} = {}\n", each.key, value(each, is_secret(each)));
    }
    return all;
}

} // namespace tunnel
