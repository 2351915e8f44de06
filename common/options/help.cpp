#include "common/options/help.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace tunnel {

std::string wrapped(std::string_view text, std::size_t columns, std::size_t indent,
                    std::size_t used)
{
    std::string all;
    std::size_t column = used;
    bool is_first = true;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find(' '), text.size());
        const std::string_view word = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (!is_first && column + 1 + word.size() > columns) {
            all += '\n';
            all.append(indent, ' ');
            column = indent;
        } else if (!is_first) {
            all += ' ';
            ++column;
        }
        all += word;
        column += word.size();
        is_first = false;
    }
    return all;
}

std::string as_sentence(std::string text)
{
    if (!text.empty() && text[0] >= 'a' && text[0] <= 'z')
        text[0] = static_cast<char>(text[0] - 'a' + 'A');
    return text;
}

std::string help_table(const std::vector<HelpEntry>& entries)
{
    constexpr std::size_t margin = 2;
    constexpr std::size_t meaning_column = 36;
    std::string all;
    for (const HelpEntry& each : entries) {
        std::string line(margin, ' ');
        line += each.what;
        if (line.size() + margin > meaning_column) // too long to have anything beside it
            line.append("\n").append(meaning_column, ' ');
        else
            line.append(meaning_column - line.size(), ' ');
        all += line + wrapped(each.meaning, help_columns, meaning_column, meaning_column) + '\n';
    }
    return all;
}

} // namespace tunnel
