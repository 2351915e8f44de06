#include "common/http/field_names.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

namespace tunnel {

namespace {

struct Known {
    std::string_view name; // in lower case
    KnownField field;
};

// By length, so that a name is compared with two or three at most.
constexpr auto known_fields = std::to_array<Known>({
    {"te", KnownField::te},
    {"host", KnownField::host},
    {"cookie", KnownField::cookie},
    {"expect", KnownField::expect},
    {"trailer", KnownField::trailer},
    {"upgrade", KnownField::upgrade},
    {"forwarded", KnownField::forwarded},
    {"x-real-ip", KnownField::x_real_ip},
    {"connection", KnownField::connection},
    {"keep-alive", KnownField::keep_alive},
    {"content-type", KnownField::content_type},
    {"authorization", KnownField::authorization},
    {"content-range", KnownField::content_range},
    {"content-length", KnownField::content_length},
    {"http2-settings", KnownField::http2_settings},
    {"x-forwarded-for", KnownField::x_forwarded_for},
    {"content-encoding", KnownField::content_encoding},
    {"proxy-connection", KnownField::proxy_connection},
    {"www-authenticate", KnownField::www_authenticate},
    {"x-forwarded-host", KnownField::x_forwarded_host},
    {"x-forwarded-user", KnownField::x_forwarded_user},
    {"transfer-encoding", KnownField::transfer_encoding},
    {"x-forwarded-proto", KnownField::x_forwarded_proto},
    {"proxy-authenticate", KnownField::proxy_authenticate},
    {"proxy-authorization", KnownField::proxy_authorization},
});

constexpr bool is_shorter(const Known& one, const Known& other)
{
    return one.name.size() < other.name.size();
}

static_assert(std::ranges::is_sorted(known_fields, is_shorter));

constexpr std::size_t longest_known = known_fields.back().name.size();

// Where the names of each length begin among them.
constexpr auto begin_of_size = [] {
    std::array<std::uint8_t, longest_known + 2> begins{};
    for (std::size_t size = 0; size < begins.size(); ++size) {
        while (begins[size] < known_fields.size() && known_fields[begins[size]].name.size() < size)
            ++begins[size];
    }
    return begins;
}();

constexpr std::string_view x_forwarded = "x-forwarded-";

constexpr char lower_case(char c)
{
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

constexpr bool is_letter_or_digit(char c)
{
    return (c >= '0' && c <= '9') || (lower_case(c) >= 'a' && lower_case(c) <= 'z');
}

constexpr auto token_chars = [] {
    std::array<bool, 256> are{};
    for (std::size_t i = 0; i < are.size(); ++i) {
        const char c = static_cast<char>(i);
        are[i] = is_letter_or_digit(c) ||
                 std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
    }
    return are;
}();

// As a program finds the name among its variables.
constexpr auto folded = [] {
    std::array<char, 256> chars{};
    for (std::size_t i = 0; i < chars.size(); ++i) {
        const char c = static_cast<char>(i);
        chars[i] = is_letter_or_digit(c) ? lower_case(c) : '-';
    }
    return chars;
}();

bool folds_to(std::string_view name, std::string_view known)
{
    return std::ranges::equal(name, known, {},
                              [](char c) { return folded[static_cast<unsigned char>(c)]; });
}

bool is_misspelt(std::string_view name, std::string_view known)
{
    for (std::size_t i = 0; i < known.size(); ++i) {
        if (known[i] == '-' && name[i] != '-')
            return true;
    }
    return false;
}

} // namespace

KnownName known_name(std::string_view field_name)
{
    const std::size_t size = field_name.size();
    if (size <= longest_known) {
        for (std::size_t i = begin_of_size[size]; i < begin_of_size[size + 1]; ++i) {
            const Known& known = known_fields[i];
            if (folds_to(field_name, known.name))
                return {known.field, is_misspelt(field_name, known.name)};
        }
    }
    const std::string_view prefix = field_name.substr(0, x_forwarded.size());
    if (folds_to(prefix, x_forwarded))
        return {KnownField::x_forwarded, is_misspelt(prefix, x_forwarded)};
    return {};
}

bool same_word(std::string_view one, std::string_view other)
{
    return std::ranges::equal(one, other, {}, lower_case, lower_case);
}

bool is_token_char(char c)
{
    return token_chars[static_cast<unsigned char>(c)];
}

std::string_view take_member(std::string_view& list)
{
    const std::size_t end = std::min(list.find(','), list.size());
    std::string_view member = list.substr(0, end);
    list.remove_prefix(std::min(end + 1, list.size()));
    while (!member.empty() && is_blank(member.front()))
        member.remove_prefix(1);
    while (!member.empty() && is_blank(member.back()))
        member.remove_suffix(1);
    return member;
}

bool has_member(std::string_view list, std::string_view word)
{
    while (!list.empty()) {
        if (same_word(take_member(list), word))
            return true;
    }
    return false;
}

} // namespace tunnel
