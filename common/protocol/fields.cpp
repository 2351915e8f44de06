#include "common/protocol/fields.hpp"

namespace tunnel {

namespace {

constexpr std::size_t field_header_size = 3;

} // namespace

std::optional<FieldReader> FieldReader::parse(std::span<const std::uint8_t> body)
{
    FieldReader reader;
    while (!body.empty()) {
        if (body.size() < field_header_size)
            return std::nullopt;
        const std::size_t size = static_cast<std::size_t>(body[1]) << 8 | body[2];
        if (size > body.size() - field_header_size)
            return std::nullopt;
        reader.entries_.push_back({Tag{body[0]}, body.subspan(field_header_size, size)});
        body = body.subspan(field_header_size + size);
    }
    return reader;
}

void FieldReader::text(Tag tag, std::string& value)
{
    const auto found = find(tag);
    if (found && found->size() <= FieldWriter::longest_text)
        value.assign(found->begin(), found->end());
    else
        complete_ = false;
}

void FieldReader::texts(Tag tag, std::vector<std::string>& values, ListLimits limits)
{
    for (const Entry& entry : entries_) {
        if (entry.tag != tag)
            continue;
        const std::size_t size = entry.value.size() + 1;
        if (entry.value.size() > FieldWriter::longest_text || limits.elements == 0 ||
            limits.bytes < size) {
            complete_ = false;
            return;
        }
        --limits.elements;
        limits.bytes -= size;
        values.emplace_back(entry.value.begin(), entry.value.end());
    }
}

// As long as it fits a clock: a peer must not be able to overflow ours.
void FieldReader::duration(Tag tag, std::chrono::milliseconds& value)
{
    constexpr std::uint64_t year = 366ULL * 24 * 3'600'000;
    value = std::chrono::milliseconds(std::min(number_of(tag, 8), year));
}

std::uint64_t FieldReader::number_of(Tag tag, std::size_t size)
{
    const auto found = find(tag);
    if (!found || found->size() != size) {
        complete_ = false;
        return 0;
    }
    std::uint64_t number = 0;
    for (const std::uint8_t byte : *found)
        number = number << 8 | byte;
    return number;
}

std::optional<std::span<const std::uint8_t>> FieldReader::find(Tag tag) const
{
    const auto entry = std::ranges::find(entries_, tag, &Entry::tag);
    return entry == entries_.end() ? std::nullopt : std::optional(entry->value);
}

} // namespace tunnel
