#include "common/options/key_names.hpp"

#include <fmt/format.h>

namespace tunnel {

namespace {

constexpr std::string_view good_in_names =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";

bool is_plain(std::string_view text)
{
    return text.find_first_not_of(good_in_names) == std::string_view::npos;
}

} // namespace

bool is_plain_name(std::string_view name)
{
    return !name.empty() && name.size() <= longest_name && is_plain(name);
}

std::string plain_name_of(std::string_view text)
{
    if (text.find_first_of(good_in_names) == std::string_view::npos)
        return {};
    std::string name(text.substr(0, longest_name));
    for (std::size_t bad = 0; (bad = name.find_first_not_of(good_in_names, bad)) != name.npos;)
        name[bad] = '-';
    return name;
}

std::string shown(std::string_view key)
{
    constexpr std::size_t longest = 15;
    if (key.empty() || key.size() > longest || !is_plain(key))
        return "a key";
    return fmt::format("'{}'", key);
}

} // namespace tunnel
