#include "common/options/nearest_name.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include <fmt/format.h>

namespace tunnel {

namespace {

// What people type who mean another word, however near that is to a third: "no" is not "on".
constexpr std::array<std::pair<std::string_view, std::string_view>, 8> synonyms{{
    {"no", "off"},
    {"false", "off"},
    {"disabled", "off"},
    {"yes", "on"},
    {"true", "on"},
    {"enabled", "on"},
    {"warning", "warn"},
    {"err", "error"},
}};

constexpr std::size_t longest_word = 64; // what is longer is no name

std::string folded(std::string_view text)
{
    std::string all(text);
    for (char& c : all)
        c = c == '_' ? '-' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return all;
}

// Letters that are missing, too many, wrong, or exchanged with their neighbour.
std::size_t slips_between(std::string_view one, std::string_view other)
{
    std::vector<std::size_t> before_last(other.size() + 1);
    std::vector<std::size_t> last(other.size() + 1);
    std::vector<std::size_t> row(other.size() + 1);
    for (std::size_t j = 0; j <= other.size(); ++j)
        row[j] = j;
    for (std::size_t i = 1; i <= one.size(); ++i) {
        before_last.swap(last);
        last.swap(row);
        row[0] = i;
        for (std::size_t j = 1; j <= other.size(); ++j) {
            const std::size_t changed = last[j - 1] + (one[i - 1] == other[j - 1] ? 0 : 1);
            row[j] = std::min({changed, last[j] + 1, row[j - 1] + 1});
            if (i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1])
                row[j] = std::min(row[j], before_last[j - 2] + 1);
        }
    }
    return row.back();
}

// A name that was not typed to its end, or a word that goes on behind one: "outside-address".
std::string same_beginning(const std::string& text, const std::vector<std::string>& names)
{
    constexpr std::size_t shortest = 3;
    std::vector<std::string> longer;
    std::string shorter;
    for (const std::string& name : names) {
        const std::string other = folded(name);
        if (text.size() >= shortest && other.starts_with(text))
            longer.push_back(name);
        if (other.size() > shortest && other.size() > shorter.size() && text.starts_with(other) &&
            3 * other.size() >= 2 * text.size())
            shorter = name;
    }
    return longer.size() == 1 ? longer.front() : shorter;
}

} // namespace

std::string nearest(std::string_view text, const std::vector<std::string>& names)
{
    if (text.size() > longest_word)
        return {};
    const std::string typed = folded(text);
    for (const auto& [word, meant] : synonyms) {
        if (typed == word && std::ranges::find(names, meant) != names.end())
            return std::string(meant);
    }
    std::string best;
    const std::size_t most_slips =
        text.size() < 2 ? 0 : std::clamp<std::size_t>(text.size() / 3, 1, 3);
    // Of several the one that goes on as the text does: "of" is rather "off" than "on".
    auto least = std::pair(most_slips + 1, false);
    for (const std::string& name : names) {
        if (name.size() > longest_word)
            continue;
        const std::string other = folded(name);
        const auto slips = std::pair(slips_between(typed, other), !other.starts_with(typed));
        if (slips < least) {
            least = slips;
            best = name;
        }
    }
    return best.empty() ? same_beginning(typed, names) : best;
}

std::string did_you_mean(std::string_view text, const std::vector<std::string>& names)
{
    const std::string meant = nearest(text, names);
    return meant.empty() ? meant : fmt::format("did you mean {}?", meant);
}

} // namespace tunnel
