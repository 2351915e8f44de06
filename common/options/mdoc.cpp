#include "common/options/mdoc.hpp"

#include <algorithm>
#include <sstream>

#include <fmt/format.h>

#include "common/options/help.hpp"

namespace tunnel {

namespace {

constexpr std::size_t columns = 78;

// The minus of a flag is one that can be copied, and no hyphen.
std::string mdoc_escaped(std::string_view text)
{
    std::string all;
    bool in_flag = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '-' && text.substr(i).starts_with("--"))
            in_flag = true;
        else if (c != '-' && (c < 'a' || c > 'z'))
            in_flag = false;
        if (c == '\\')
            all += "\\e";
        else if (c == '-' && in_flag)
            all += "\\-";
        else
            all += c;
    }
    return all;
}

// A line that begins with one of these is an order.
std::string mdoc_guarded(const std::string& line)
{
    return line.starts_with('.') || line.starts_with('\'') ? "\\&" + line : line;
}

} // namespace

std::string mdoc_head(std::string_view title, std::string_view section, std::string_view name,
                      std::string_view purpose)
{
    return fmt::format(".Dd {}\n.Dt {} {}\n.Os\n.Sh NAME\n.Nm {}\n.Nd {}\n", date_of_manual, title,
                       section, name, purpose);
}

std::string mdoc_text(std::string_view text)
{
    std::string all;
    while (!text.empty()) {
        const std::size_t stop = text.find(". ");
        const std::string_view sentence =
            stop == std::string_view::npos ? text : text.substr(0, stop + 1);
        text.remove_prefix(std::min(sentence.size() + 1, text.size()));
        std::istringstream lines(wrapped(mdoc_escaped(sentence), columns, 0, 0));
        for (std::string line; std::getline(lines, line);)
            all += mdoc_guarded(line) + '\n';
    }
    return all;
}

std::string mdoc_word(std::string_view word)
{
    std::string all = "\\&"; // so that it is neither a macro nor punctuation
    for (const char c : word) {
        if (c == '\\')
            all += "\\e";
        else if (c == '"')
            all += "\\(dq";
        else if (c == ' ')
            all += "\\ ";
        else
            all += c;
    }
    return all + "\\&";
}

std::string mdoc_flag(std::string_view name, std::string_view syntax)
{
    std::string all = fmt::format("Fl {}", name.substr(1));
    if (!syntax.empty())
        all += " Ar " + mdoc_word(syntax);
    return all;
}

} // namespace tunnel
