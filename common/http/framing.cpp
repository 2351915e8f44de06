#include "common/http/framing.hpp"

#include <charconv>
#include <limits>

namespace tunnel {

namespace {

using Is = BodySize::Is;

// Each field is looked for among all options.
constexpr std::size_t most_options = 32;

// What the receiver of a message cannot do without: who names it as an option wants it to be
// dropped on the way.
bool concerns_receiver(KnownField field)
{
    switch (field) {
    case KnownField::authorization:
    case KnownField::connection:
    case KnownField::content_encoding:
    case KnownField::content_length:
    case KnownField::content_range:
    case KnownField::content_type:
    case KnownField::cookie:
    case KnownField::expect:
    case KnownField::host:
    case KnownField::transfer_encoding:
        return true;
    default:
        return false;
    }
}

} // namespace

bool BodyFraming::object(const char* why)
{
    objection_ = why;
    return false;
}

bool BodyFraming::take(KnownName known, std::string_view value)
{
    switch (known.field) {
    case KnownField::content_length:
    case KnownField::transfer_encoding:
        if (known.is_misspelt)
            return object("a header is named almost as one that says how long the body is");
        if (body_.is != Is::none)
            return object("two headers say how long the body is");
        return known.field == KnownField::content_length ? take_length(value) : take_coding(value);
    case KnownField::connection:
        return take_options(value);
    default:
        return true;
    }
}

bool BodyFraming::take_length(std::string_view value)
{
    constexpr auto longest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    constexpr std::size_t most_digits = 19;
    const char* const last = value.data() + value.size();
    const auto [end, error] = std::from_chars(value.data(), last, body_.length);
    if (value.empty() || value.size() > most_digits || error != std::errc() || end != last ||
        body_.length > longest)
        return object("Content-Length is no number");
    body_.is = Is::length;
    return true;
}

bool BodyFraming::take_coding(std::string_view value)
{
    if (!same_word(value, "chunked"))
        return object("no Transfer-Encoding but chunked is understood");
    body_.is = Is::chunked;
    return true;
}

bool BodyFraming::take_options(std::string_view value)
{
    while (!value.empty()) {
        const std::string_view option = take_member(value);
        if (++options_ > most_options)
            return object("the Connection header names too much");
        if (concerns_receiver(known_name(option).field))
            return object("the Connection header names one that is not of the connection");
        says_close_ = says_close_ || same_word(option, "close");
        says_keep_alive_ = says_keep_alive_ || same_word(option, "keep-alive");
        says_upgrade_ = says_upgrade_ || same_word(option, "upgrade");
    }
    return true;
}

bool BodyFraming::finish(bool is_http_1_0)
{
    if (is_http_1_0 && body_.is == Is::chunked)
        return object("there is no Transfer-Encoding in HTTP/1.0");
    return true;
}

bool names_field(std::span<const HeaderField> fields, std::string_view name)
{
    for (const HeaderField& field : fields) {
        if (known_name(field.name).field == KnownField::connection && has_member(field.value, name))
            return true;
    }
    return false;
}

} // namespace tunnel
