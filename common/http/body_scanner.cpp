#include "common/http/body_scanner.hpp"

#include <algorithm>
#include <cassert>
#include <limits>

#include "common/http/field_names.hpp"

namespace tunnel {

namespace {

constexpr std::size_t most_size_digits = 16;
constexpr std::size_t longest_extension = 1024; // with the blanks before it
constexpr std::size_t longest_trailers = 8 * 1024;
constexpr auto longest_chunk = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
constexpr unsigned no_digit = 16;

unsigned hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return static_cast<unsigned>(c - '0');
    if (c >= 'a' && c <= 'f')
        return static_cast<unsigned>(c - 'a') + 10;
    if (c >= 'A' && c <= 'F')
        return static_cast<unsigned>(c - 'A') + 10;
    return no_digit;
}

bool may_stand_in_extension(char c)
{
    return (c > ' ' && c < '\x7f') || is_blank(c);
}

bool may_stand_in_value(char c)
{
    return may_stand_in_extension(c) || static_cast<unsigned char>(c) >= 0x80;
}

} // namespace

BodyScanner::BodyScanner(BodySize size) : part_(Part::length)
{
    switch (size.is) {
    case BodySize::Is::none:
        state_ = State::whole;
        break;
    case BodySize::Is::length:
        left_ = size.length;
        state_ = left_ == 0 ? State::whole : State::more;
        break;
    case BodySize::Is::chunked:
        part_ = Part::size_begin;
        break;
    case BodySize::Is::until_end:
        part_ = Part::until_end;
        break;
    }
}

std::size_t BodyScanner::put(std::string_view bytes)
{
    std::size_t taken = 0;
    while (taken < bytes.size() && state_ == State::more) {
        if (const std::uint64_t free = unseen(); free > 0) {
            const std::uint64_t size = std::min<std::uint64_t>(free, bytes.size() - taken);
            skip(size);
            taken += size;
            continue;
        }
        take(bytes[taken]);
        taken += state_ != State::wrong;
    }
    return taken;
}

std::uint64_t BodyScanner::unseen() const
{
    if (state_ != State::more)
        return 0;
    if (part_ == Part::until_end)
        return std::numeric_limits<std::uint64_t>::max();
    return part_ == Part::length || part_ == Part::data ? left_ : 0;
}

void BodyScanner::skip(std::uint64_t bytes)
{
    assert(bytes <= unseen());
    if (bytes == 0 || part_ == Part::until_end)
        return;
    left_ -= bytes;
    if (left_ > 0)
        return;
    if (part_ == Part::data)
        part_ = Part::data_cr;
    else
        state_ = State::whole;
}

// A byte that is no data.
void BodyScanner::take(char c)
{
    const auto expect = [this, c](char expected, Part next) {
        if (c == expected)
            part_ = next;
        else
            state_ = State::wrong;
    };
    switch (part_) {
    case Part::length:
    case Part::until_end:
    case Part::data:
        break; // bytes of them are never looked at
    case Part::size_begin:
    case Part::size:
    case Part::size_blank:
    case Part::extension:
    case Part::quoted:
    case Part::escaped:
        take_in_size(c);
        break;
    case Part::size_end:
        expect('\n', left_ > 0 ? Part::data : Part::trailer_begin);
        line_ = 0;
        break;
    case Part::data_cr:
        expect('\r', Part::data_lf);
        break;
    case Part::data_lf:
        expect('\n', Part::size_begin);
        break;
    case Part::trailer_begin:
    case Part::trailer_name:
    case Part::trailer_value:
    case Part::trailer_end:
        take_in_trailer(c);
        break;
    case Part::last_lf:
        expect('\n', Part::last_lf);
        if (state_ == State::more)
            state_ = State::whole;
        break;
    }
}

// RFC 9112 7.1: chunk-size [ chunk-ext ] CRLF. Blanks may follow the size, which some servers pad.
void BodyScanner::take_in_size(char c)
{
    const unsigned digit = hex_digit(c);
    if (part_ == Part::size_begin) {
        left_ = 0;
        digits_ = 0;
        line_ = 0;
    }
    if (part_ <= Part::size && digit != no_digit) {
        part_ = Part::size;
        left_ = left_ << 4U | digit;
        if (++digits_ > most_size_digits)
            state_ = State::wrong;
        return;
    }
    if (part_ == Part::size_begin || left_ > longest_chunk) {
        state_ = State::wrong;
        return;
    }
    // Some parsers take a line end in quotes for a part of the text.
    if (c == '\r' && part_ != Part::quoted && part_ != Part::escaped) {
        part_ = Part::size_end;
        return;
    }
    const bool fits = part_ < Part::extension ? is_blank(c) || c == ';' : may_stand_in_extension(c);
    if (!fits || ++line_ > longest_extension)
        state_ = State::wrong;
    else if (part_ < Part::extension)
        part_ = c == ';' ? Part::extension : Part::size_blank;
    else if (part_ == Part::escaped)
        part_ = Part::quoted;
    else if (c == '"')
        part_ = part_ == Part::quoted ? Part::extension : Part::quoted;
    else if (c == '\\' && part_ == Part::quoted)
        part_ = Part::escaped;
}

// Those that a proxy or a receiver goes by may stand in a head only (RFC 9110 6.5.1).
void BodyScanner::take_in_trailer(char c)
{
    if (++line_ > longest_trailers) {
        state_ = State::wrong;
        return;
    }
    switch (part_) {
    case Part::trailer_begin:
        name_size_ = 0;
        if (c == '\r') {
            part_ = Part::last_lf;
            break;
        }
        part_ = Part::trailer_name;
        [[fallthrough]];
    case Part::trailer_name:
        if (is_token_char(c)) {
            if (name_size_ < name_.size())
                name_[name_size_++] = c;
            break;
        }
        part_ = Part::trailer_value;
        if (c != ':' || name_size_ == 0 ||
            known_name({name_.data(), name_size_}).field != KnownField::other)
            state_ = State::wrong;
        break;
    case Part::trailer_value:
        if (c == '\r')
            part_ = Part::trailer_end;
        else if (!may_stand_in_value(c))
            state_ = State::wrong;
        break;
    default:
        part_ = Part::trailer_begin;
        if (c != '\n')
            state_ = State::wrong;
        break;
    }
}

} // namespace tunnel
