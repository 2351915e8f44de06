#include "remote-proxy/http/accept.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>

namespace tunnel {

namespace {

// How much one form is wanted, by the most specific range that covers it.
struct Wanted {
    int specific = -1; // 2: its own type, 1: "text/*", 0: "*/*", -1: by nothing
    int quality = 0;   // thousandths
};

std::string_view trim_blanks(std::string_view text)
{
    const std::size_t first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos)
        return {};
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// What stands before `end`, trimmed; `text` is left with what stands behind it.
std::string_view take_until(std::string_view& text, char end)
{
    const std::size_t size = std::min(text.find(end), text.size());
    const std::string_view taken = text.substr(0, size);
    text.remove_prefix(std::min(size + 1, text.size()));
    return trim_blanks(taken);
}

// "0.85" as 850; 0: it is no quality.
int parse_quality(std::string_view text)
{
    if (text.empty() || text.size() > 5 || (text[0] != '0' && text[0] != '1'))
        return 0;
    int quality = (text[0] - '0') * 1000;
    if (text.size() > 1 && text[1] != '.')
        return 0;
    int unit = 100;
    for (std::size_t i = 2; i < text.size(); ++i, unit /= 10) {
        if (text[i] < '0' || text[i] > '9')
            return 0;
        quality += (text[i] - '0') * unit;
    }
    return std::min(quality, 1000);
}

int quality_of(std::string_view parameters)
{
    while (!parameters.empty()) {
        const std::string_view parameter = take_until(parameters, ';');
        if (parameter.starts_with("q=") || parameter.starts_with("Q="))
            return parse_quality(parameter.substr(2));
    }
    return 1000;
}

std::string small_letters(std::string_view text)
{
    std::string small(text);
    std::ranges::transform(small, small.begin(), [](char each) {
        return each >= 'A' && each <= 'Z' ? static_cast<char>(each - 'A' + 'a') : each;
    });
    return small;
}

// -1: `range` does not cover it.
int how_specific(std::string_view range, AnswerForm form)
{
    switch (form) {
    case AnswerForm::html:
        if (range == "text/html" || range == "application/xhtml+xml")
            return 2;
        break;
    case AnswerForm::json:
        if (range == "application/json" || range.ends_with("+json"))
            return 2;
        break;
    case AnswerForm::text:
        if (range == "text/plain")
            return 2;
        break;
    }
    if (range == (form == AnswerForm::json ? "application/*" : "text/*"))
        return 1;
    return range == "*/*" ? 0 : -1;
}

} // namespace

AnswerForm preferred_form(std::string_view accept)
{
    // What is wanted equally is given in this order.
    constexpr std::array forms{AnswerForm::html, AnswerForm::json, AnswerForm::text};
    std::array<Wanted, forms.size()> wanted{};
    while (!accept.empty()) {
        std::string_view parameters = take_until(accept, ',');
        const std::string range = small_letters(take_until(parameters, ';'));
        const int quality = quality_of(parameters);
        for (std::size_t i = 0; i < forms.size(); ++i) {
            const int specific = how_specific(range, forms[i]);
            if (specific > wanted[i].specific ||
                (specific == wanted[i].specific && quality > wanted[i].quality))
                wanted[i] = {specific, specific < 0 ? 0 : quality};
        }
    }
    AnswerForm best = AnswerForm::text;
    int best_quality = 0;
    for (std::size_t i = 0; i < forms.size(); ++i) {
        const bool is_named = wanted[i].specific > 0;
        // A form that only "*/*" covers is never better than text, which that covers too.
        if (!is_named && forms[i] != AnswerForm::text)
            continue;
        if (wanted[i].quality > best_quality) {
            best = forms[i];
            best_quality = wanted[i].quality;
        }
    }
    return best;
}

} // namespace tunnel
