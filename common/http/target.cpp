#include "common/http/target.hpp"

#include <algorithm>
#include <cstdint>

#include <strings.h>

namespace tunnel {

namespace {

// 16: it is none.
unsigned digit(char c)
{
    if (c >= '0' && c <= '9')
        return static_cast<unsigned>(c - '0');
    if (c >= 'a' && c <= 'f')
        return static_cast<unsigned>(c - 'a' + 10);
    if (c >= 'A' && c <= 'F')
        return static_cast<unsigned>(c - 'A' + 10);
    return 16;
}

// What follows the scheme of a URL; nullopt: it is none of http or https.
std::optional<std::string_view> behind_scheme(std::string_view text)
{
    for (const std::string_view scheme : {"http://", "https://"}) {
        if (text.size() >= scheme.size() &&
            ::strncasecmp(text.data(), scheme.data(), scheme.size()) == 0)
            return text.substr(scheme.size());
    }
    return std::nullopt;
}

bool is_visible(char c)
{
    return c > ' ' && c < '\x7f';
}

// As they are written in a request.
bool is_path_and_query(std::string_view text)
{
    return text.starts_with('/') && text.find('#') == std::string_view::npos &&
           std::ranges::all_of(text, is_visible);
}

} // namespace

std::optional<std::string> decode_segment(std::string_view segment)
{
    std::string text;
    while (!segment.empty()) {
        char c = segment.front();
        std::size_t size = 1;
        if (c == '%') {
            size = 3;
            if (segment.size() < size || digit(segment[1]) > 15 || digit(segment[2]) > 15)
                return std::nullopt;
            c = static_cast<char>(digit(segment[1]) << 4 | digit(segment[2]));
        }
        if (const auto byte = static_cast<std::uint8_t>(c); byte < ' ' || byte == 0x7f)
            return std::nullopt;
        text += c;
        segment.remove_prefix(size);
    }
    return text;
}

std::string encode_segment(std::string_view text)
{
    static constexpr std::string_view digits = "0123456789ABCDEF";
    static constexpr std::string_view others = "-._~";
    std::string segment;
    for (const char c : text) {
        const auto byte = static_cast<std::uint8_t>(c);
        const bool is_unreserved = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
                                   (c >= 'a' && c <= 'z') ||
                                   others.find(c) != std::string_view::npos;
        if (is_unreserved)
            segment += c;
        else
            segment.append({'%', digits[byte >> 4U], digits[byte & 0xfU]});
    }
    return segment;
}

std::optional<Target> parse_target(std::string_view text)
{
    if (!is_path_and_query(text))
        return std::nullopt;
    Target target;
    // Its values are decoded when they are asked for.
    const std::size_t question = std::min(text.find('?'), text.size());
    target.query = text.substr(std::min(question + 1, text.size()));
    if (!decode_segment(target.query))
        return std::nullopt;
    std::string_view rest = text.substr(1, question - 1);
    for (;;) {
        const std::size_t end = rest.find('/');
        auto segment = decode_segment(rest.substr(0, end));
        if (!segment)
            return std::nullopt;
        target.segments.push_back(std::move(*segment));
        if (end == std::string_view::npos)
            return target;
        rest.remove_prefix(end + 1);
    }
}

std::optional<TargetParts> split_request_target(std::string_view text)
{
    TargetParts parts;
    if (text == "*") {
        parts.is_whole_server = true;
        return parts;
    }
    const auto rest = behind_scheme(text);
    const std::size_t end = rest ? std::min(rest->find_first_of("/?#"), rest->size()) : 0;
    if (rest) {
        parts.authority = rest->substr(0, end);
        if (parts.authority->empty() || parts.authority->find('@') != std::string::npos)
            return std::nullopt;
    }
    parts.path_and_query = rest ? rest->substr(end) : text;
    if (rest && !parts.path_and_query.starts_with('/'))
        parts.path_and_query.insert(parts.path_and_query.begin(), '/');
    if (!is_path_and_query(parts.path_and_query))
        return std::nullopt;
    return parts;
}

std::optional<std::string> query_value(std::string_view query, std::string_view name)
{
    while (!query.empty()) {
        const std::string_view part = query.substr(0, query.find('&'));
        const std::size_t equals = part.find('=');
        if (part.substr(0, equals) == name)
            return decode_segment(equals == std::string_view::npos ? "" : part.substr(equals + 1));
        query.remove_prefix(std::min(part.size() + 1, query.size()));
    }
    return std::nullopt;
}

} // namespace tunnel
