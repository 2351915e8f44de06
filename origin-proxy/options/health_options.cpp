#include "origin-proxy/options/health_options.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "common/base/log.hpp"
#include "common/options/text_values.hpp"

namespace tunnel {

namespace {

constexpr std::size_t longest_path = 1024;

// It must not end the line of the request, and so become another one.
bool is_path(std::string_view text)
{
    return text.starts_with('/') && text.size() <= longest_path &&
           std::ranges::all_of(text, [](unsigned char c) { return c > ' ' && c < 0x7f; });
}

} // namespace

void read_health_check(std::string_view text, HealthCheck& check)
{
    constexpr std::string_view prefix = "http:";
    std::string_view path;
    if (text.starts_with("http://")) {
        const std::size_t slash = text.find('/', std::string_view("http://").size());
        refuse_text(text, health_check_syntax,
                    fmt::format("the origin server itself is asked: did you mean http:{}?",
                                slash == text.npos ? "/" : log::escape(text.substr(slash))));
    }
    if (text == "http")
        path = "/";
    else if (text.starts_with(prefix))
        path = text.substr(prefix.size());
    if (is_path(path))
        check.kind = HealthCheck::Kind::http;
    else if (text == "tcp")
        check.kind = HealthCheck::Kind::tcp;
    else if (text == "off")
        check.kind = HealthCheck::Kind::off;
    else
        refuse_text(text, health_check_syntax,
                    is_path(text) ? fmt::format("did you mean http:{}?", text)
                                  : did_you_mean(text, {"off", "tcp", "http"}));
    check.path = path;
}

} // namespace tunnel
