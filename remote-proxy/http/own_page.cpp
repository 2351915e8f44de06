#include "remote-proxy/http/own_page.hpp"

#include <fmt/format.h>

#include "common/http/response.hpp"

namespace tunnel {

namespace {

constexpr std::string_view style =
    ":root{color-scheme:light dark;--ink:#1b1f24;--soft:#57606a;--line:#d0d7de;--page:#f6f8fa;"
    "--card:#fff;--bad:#b42318}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9aa4af;--line:#30363d;"
    "--page:#0d1117;--card:#161b22;--bad:#ff8a80}}"
    "*{box-sizing:border-box}"
    "body{margin:0;min-height:100vh;min-height:100svh;display:grid;place-items:center;"
    "padding:1rem;"
    "background:var(--page);color:var(--ink);font:1rem/1.5 system-ui,sans-serif}"
    "main{width:100%;max-width:36rem;padding:clamp(1.25rem,6vw,2rem);background:var(--card);"
    "border:1px solid var(--line);border-radius:.75rem;overflow-wrap:anywhere}"
    "h1{margin:.25rem 0;font-size:1.5rem;line-height:1.25;text-wrap:balance}"
    "h2{margin:1.25rem 0 0;font-size:1rem}"
    "p{margin:0}"
    ".s{color:var(--bad);font-weight:600}"
    ".h,footer{color:var(--soft)}"
    "footer{margin-top:1.5rem;padding-top:1rem;border-top:1px solid var(--line);"
    "font:.875rem/1.5 ui-monospace,monospace}";

struct Advice {
    std::string_view visitor;
    std::string_view owner; // empty: none
};

Advice advice_of(const OwnAnswer& answer)
{
    constexpr std::string_view wait_and_reload = "Wait a minute, then reload this page.";
    switch (answer.status) {
    case 401:
        return {"Reload this page, and enter the name and the password that you were given.", ""};
    case 404:
        return {"Check the spelling of the address. If it is right, try again later: the site is "
                "not connected now.",
                "Check that its origin proxy is running, and that one of its services has this "
                "name."};
    case 408:
        return {"Reload this page.", ""};
    case 429:
        return {"Wait a moment, then reload this page.", ""};
    case 431:
        return {"Delete the cookies of this site, then reload this page.", ""};
    case 502:
        if (answer.code == Code::origin_broken || answer.code == Code::bad_response)
            return {wait_and_reload, "Look into the log of its server."};
        return {wait_and_reload,
                "Check that its server is running. The log of the origin proxy says more."};
    case 503:
        return {wait_and_reload, "Check that its origin proxy is running. Its log says more."};
    case 504:
        return {wait_and_reload, "Check that its server is running, and not overloaded."};
    default:
        return {"Go back, and try again. If that does not help, tell whoever runs this site.", ""};
    }
}

std::string escaped_for_html(std::string_view text)
{
    std::string escaped;
    for (const char letter : text) {
        switch (letter) {
        case '&':
            escaped += "&amp;";
            break;
        case '<':
            escaped += "&lt;";
            break;
        case '>':
            escaped += "&gt;";
            break;
        case '"':
            escaped += "&quot;";
            break;
        case '\'':
            escaped += "&#39;";
            break;
        default:
            escaped += letter >= ' ' && letter < 127 ? letter : '?';
        }
    }
    return escaped;
}

std::string sentence_of(std::string_view message)
{
    std::string sentence = escaped_for_html(message.substr(0, 200));
    if (!sentence.empty() && sentence[0] >= 'a' && sentence[0] <= 'z')
        sentence[0] = static_cast<char>(sentence[0] - 'a' + 'A');
    return sentence + '.';
}

} // namespace

std::string own_page(const OwnAnswer& answer, std::string_view host)
{
    constexpr std::size_t longest_host = 253; // that of a host name
    const std::string title = fmt::format("{} {}", answer.status, words_of_status(answer.status));
    const Advice advice = advice_of(answer);
    std::string page =
        fmt::format("<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
                    "<meta name=\"viewport\" content=\"width=device-width\">\n"
                    "<meta name=\"robots\" content=\"noindex\">\n<title>{0}</title>\n"
                    "<style>{1}</style>\n<main>\n<p class=\"s\">{0}</p>\n<h1>{2}</h1>\n",
                    title, style, sentence_of(answer.message));
    if (!host.empty())
        page +=
            fmt::format("<p class=\"h\">{}</p>\n", escaped_for_html(host.substr(0, longest_host)));
    page += fmt::format("<h2>What you can do</h2>\n<p>{}</p>\n", advice.visitor);
    if (!advice.owner.empty())
        page += fmt::format("<h2>If this is your site</h2>\n<p>{}</p>\n", advice.owner);
    page += fmt::format("<footer>{}</footer>\n</main>\n</html>\n", name_of(answer.code));
    return page;
}

} // namespace tunnel
