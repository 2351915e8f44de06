#include "common/configuration/names.hpp"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

namespace tunnel {

namespace {

constexpr std::string_view good_in_names =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";

bool is_plain(std::string_view text)
{
    return text.find_first_not_of(good_in_names) == std::string_view::npos;
}

// Characters to put in, take away or change until one is the other (Levenshtein).
std::size_t distance(std::string_view one, std::string_view other)
{
    std::vector<std::size_t> row(other.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t(0));
    for (std::size_t i = 0; i < one.size(); ++i) {
        std::size_t diagonal = row[0]++;
        for (std::size_t j = 0; j < other.size(); ++j) {
            const std::size_t changed = diagonal + (one[i] == other[j] ? 0 : 1);
            diagonal = row[j + 1];
            row[j + 1] = std::min({changed, row[j] + 1, row[j + 1] + 1});
        }
    }
    return row.back();
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

std::string nearest(std::string_view text, const std::vector<std::string>& names)
{
    constexpr std::size_t longest = longest_name;
    if (text.size() > longest)
        return {};
    std::string best;
    std::size_t least = std::min<std::size_t>(3, text.size() / 3 + 1); // two slips are the most
    for (const std::string& name : names) {
        const std::size_t slips = distance(text, name);
        if (slips < least) {
            least = slips;
            best = name;
        }
    }
    return best;
}

} // namespace tunnel
