// find_request_head and find_response_head: one pass over the bytes, none of them twice.
#include <algorithm>
#include <array>
#include <utility>

#include "common/http/field_names.hpp"
#include "common/http/request_head.hpp"
#include "common/http/response_head.hpp"

namespace tunnel {

namespace {

constexpr std::size_t most_lines_before = 8; // before a request, RFC 9112 2.2
constexpr std::size_t longest_method = 64;
constexpr std::string_view cr_lf = "\r\n";
constexpr std::string_view name_of_http = "HTTP/";
constexpr char tls_handshake = 0x16; // RFC 8446 5.1, ContentType

HeadSearch wrong(unsigned status, std::string text)
{
    return {HeadSearch::Is::wrong, 0, {status, std::move(text)}};
}

// What may stand within a line.
constexpr auto line_chars = [] {
    std::array<bool, 256> are{};
    for (std::size_t i = 0; i < are.size(); ++i)
        are[i] = (i >= ' ' && i != 0x7f) || i == '\t';
    return are;
}();

bool is_line_char(char c)
{
    return line_chars[static_cast<unsigned char>(c)];
}

// Looks at lines from `searched` on. `first`: where the first line begins, after empty ones.
HeadSearch find_lines(std::string_view bytes, std::size_t first, std::size_t searched,
                      unsigned status)
{
    const auto broken = [status] { return wrong(status, "the lines of a head end in CR LF"); };
    const std::size_t end = std::min(bytes.size(), largest_head);
    std::size_t i = std::max(first, std::min(searched, end));
    for (; i < end; ++i) {
        const char before = i > first ? bytes[i - 1] : '\0';
        if (before == '\r') {
            if (bytes[i] != '\n')
                return broken();
            if (i - first >= 3 && bytes[i - 2] == '\n')
                return {HeadSearch::Is::whole, i + 1, {}};
            continue;
        }
        if (before == '\n' && is_blank(bytes[i]))
            return wrong(status, "a header goes on in the next line");
        while (i < end && is_line_char(bytes[i]))
            ++i;
        if (i == end)
            break;
        if (bytes[i] == '\n')
            return broken();
        if (bytes[i] != '\r')
            return wrong(status, "there is a control character in the head");
    }
    if (end == largest_head)
        return wrong(status == 400 ? 431 : status, "the head is too long");
    return {HeadSearch::Is::incomplete, end, {}};
}

// The first line, if it is whole now and was not when `searched` bytes were there; else empty.
std::string_view new_first_line(std::string_view bytes, std::size_t first, std::size_t searched)
{
    const std::size_t seen = std::max(first, std::min(searched, bytes.size()));
    if (bytes.substr(first, seen - first).find('\n') != std::string_view::npos)
        return {};
    const std::size_t end = bytes.find('\n', seen);
    if (end == std::string_view::npos || end >= largest_head || end == first ||
        bytes[end - 1] != '\r')
        return {};
    const std::string_view line = bytes.substr(first, end - first - 1);
    return std::ranges::all_of(line, is_line_char) ? line : std::string_view();
}

// What is wrong with the first line of a request; 0: nothing.
unsigned fault_of_request_line(std::string_view line)
{
    if (line.empty())
        return 0;
    const std::size_t blank = line.rfind(' ');
    if (blank == std::string_view::npos)
        return 400;
    const std::string_view version = line.substr(blank + 1);
    if (version == "HTTP/1.1" || version == "HTTP/1.0")
        return 0;
    const bool is_another =
        version.starts_with(name_of_http) && version.size() > name_of_http.size() &&
        version[name_of_http.size()] >= '0' && version[name_of_http.size()] <= '9';
    return is_another ? 505 : 400;
}

bool may_begin_request(std::string_view line)
{
    const std::string_view begin = line.substr(0, longest_method + 1);
    const auto method_end = std::ranges::find_if_not(begin, is_token_char);
    if (method_end == begin.end())
        return begin.size() <= longest_method;
    return *method_end == ' ' && method_end != begin.begin();
}

bool may_begin_response(std::string_view bytes)
{
    constexpr std::string_view pattern = "HTTP/1.v sss";
    for (std::size_t i = 0; i < std::min(pattern.size(), bytes.size()); ++i) {
        const char c = bytes[i];
        const bool fits = pattern[i] == 'v'   ? c == '0' || c == '1'
                          : pattern[i] == 's' ? c >= '0' && c <= '9'
                                              : c == pattern[i];
        if (!fits)
            return false;
    }
    return true;
}

} // namespace

HeadSearch find_request_head(std::string_view bytes, std::size_t searched)
{
    std::size_t first = 0;
    while (bytes.substr(first).starts_with(cr_lf)) {
        first += cr_lf.size();
        if (first > most_lines_before * cr_lf.size())
            return wrong(400, "there are many empty lines, and no request");
    }
    const std::string_view line = bytes.substr(first);
    if (line.empty() || line == "\r")
        return {HeadSearch::Is::incomplete, bytes.size(), {}};
    if (line.front() == tls_handshake)
        return wrong(400, "this is TLS, and HTTP without it is spoken here");
    if (!may_begin_request(line))
        return wrong(400, "this is no request of HTTP/1.1");
    HeadSearch search = find_lines(bytes, first, searched, 400);
    // Who speaks another protocol need not wait for an answer until a head would have come.
    const unsigned fault = fault_of_request_line(new_first_line(bytes, first, searched));
    if (fault == 505)
        return wrong(505, "HTTP/1.1 is spoken here");
    if (fault != 0)
        return wrong(fault, "this is no request of HTTP/1.1");
    return search;
}

HeadSearch find_response_head(std::string_view bytes, std::size_t searched)
{
    if (!may_begin_response(bytes))
        return wrong(502, "this is no answer of HTTP/1.1");
    return find_lines(bytes, 0, searched, 502);
}

} // namespace tunnel
