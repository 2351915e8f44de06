#include "common/security/secret_text.hpp"

#include <algorithm>
#include <array>
#include <cctype>

#include <fmt/format.h>

namespace tunnel {

namespace {

constexpr std::string_view space = " \t\r\n\v\f";

// Characters that editors, chat programs and web pages put in without being seen, or in the place
// of others, in UTF-8.
struct Lookalike {
    std::string_view bytes;
    std::string_view name;
};

constexpr std::array<Lookalike, 14> lookalikes{{{"\xC2\xA0", "a no-break space"},
                                                {"\xC2\xAD", "a soft hyphen"},
                                                {"\xE2\x80\xAF", "a narrow no-break space"},
                                                {"\xE2\x80\x8B", "a zero-width space"},
                                                {"\xE2\x80\x8C", "a zero-width character"},
                                                {"\xE2\x80\x8D", "a zero-width character"},
                                                {"\xE2\x81\xA0", "a zero-width character"},
                                                {"\xEF\xBB\xBF", "a byte order mark"},
                                                {"\xE2\x80\x98", "a typographic quote"},
                                                {"\xE2\x80\x99", "a typographic quote"},
                                                {"\xE2\x80\x9C", "a typographic quote"},
                                                {"\xE2\x80\x9D", "a typographic quote"},
                                                {"\xE2\x80\x93", "a long dash"},
                                                {"\xE2\x80\x94", "a long dash"}}};

std::string_view name_of_what_is_not_ascii(std::string_view rest)
{
    const auto found = std::ranges::find_if(
        lookalikes, [rest](const Lookalike& each) { return rest.starts_with(each.bytes); });
    return found == lookalikes.end() ? std::string_view("a character that is not ASCII")
                                     : found->name;
}

bool is_quoted(std::string_view text)
{
    constexpr std::string_view quotes = "\"'`";
    return text.size() >= 2 && text.front() == text.back() &&
           quotes.find(text.front()) != std::string_view::npos;
}

// "secret = …" of a configuration, "REMOTE_PROXY_SECRET=…" of an environment file. What is random
// may have a = in it, but hardly such a name before it.
bool is_assignment(std::string_view text)
{
    std::string name;
    for (const char c : text.substr(0, text.find_first_of("=:")))
        name += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (name.size() == text.size())
        return false;
    name.erase(name.find_last_not_of(space) + 1);
    const bool is_name = std::ranges::all_of(name, [](unsigned char c) {
        return std::isalnum(c) != 0 || c == '_' || c == '-' || c == '.' || c == ' ' || c == '"';
    });
    return is_name && std::ranges::any_of(std::array{"secret", "token", "password"},
                                          [&name](std::string_view word) {
                                              return name.find(word) != std::string::npos;
                                          });
}

} // namespace

std::string_view trimmed_secret(std::string_view text)
{
    constexpr std::string_view mark = "\xEF\xBB\xBF";
    if (text.starts_with(mark))
        text.remove_prefix(mark.size());
    const std::size_t begin = std::min(text.find_first_not_of(space), text.size());
    const std::size_t end = text.find_last_not_of(space);
    return text.substr(begin, end == std::string_view::npos ? 0 : end + 1 - begin);
}

std::string objection_to_secret(std::string_view text, std::string_view what)
{
    if (is_assignment(text))
        return fmt::format("there is a name before {}, as in a configuration: expected {} alone",
                           what, what);
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto c = static_cast<unsigned char>(text[i]);
        if (c == '\r' || c == '\n')
            return fmt::format("{} is one word, and this has several lines", what);
        if (space.find(text[i]) != std::string_view::npos)
            return fmt::format("{} is one word, and this has spaces in it", what);
        if (c == '\0')
            return "there is a zero byte in it, as if it were no text, or UTF-16";
        if (c < ' ' || c == 0x7f)
            return "there is a control character in it, which no editor shows";
        if (c > 0x7f)
            return fmt::format("there is {} in it, at character {}: {} has letters, digits and "
                               "signs of ASCII alone, which are the same everywhere",
                               name_of_what_is_not_ascii(text.substr(i)), i + 1, what);
    }
    if (is_quoted(text))
        return fmt::format("there are quotes around it: expected {} without them", what);
    return {};
}

} // namespace tunnel
