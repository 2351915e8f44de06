// The fields that a frame consists of, as bytes. No I/O.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "common/base/code.hpp"

namespace tunnel {

// A field is one byte of tag, two bytes of length, then the value. Tags are never given a second
// meaning, so that any two versions read each other's fields alike.
enum class Tag : std::uint8_t {
    lowest = 1, // version of the protocol, as well as the next two
    highest = 2,
    version = 3,
    program_version = 4,
    feature = 5, // may stand more than once
    service = 6,
    origin = 7,
    heartbeat_timeout = 8, // milliseconds
    outside_address = 9,
    reason = 10,
    text = 11,
    ticket = 12,
    visitor = 13,
    session = 14,
    credential = 15,
    nonce = 16,
    proof = 17,
    number = 18,
    state = 19,
    header = 20, // 1: of the PROXY protocol's v1
    name = 23,
    code = 24,
    kind = 25, // of a service
    host = 26, // may stand more than once
    http = 27, // 1: visitors at the outside address speak HTTP
    host_header = 28,
    shared = 29, // 1: requests of several visitors may share a connection
    login = 30,  // may stand more than once
};

// How much of a list there may be.
struct ListLimits {
    std::size_t elements = 32;
    std::size_t bytes = std::numeric_limits<std::size_t>::max(); // of all, with one more for each
};

// What is a number on the wire, in as many bytes as it has.
template <class T>
concept FieldNumber = std::unsigned_integral<T> || std::is_enum_v<T>;

// Both have the same members, so that one list of the fields of a frame serves to write and to read
// it. Where a field may be missing, `optional` is in the name.

// Makes the bytes of one frame. Texts are cut at longest_text, and lists at their limits.
class FieldWriter {
public:
    static constexpr std::size_t longest_text = 1024;

    explicit FieldWriter(std::uint8_t kind) : bytes_(2, '\0') { bytes_ += static_cast<char>(kind); }

    template <FieldNumber T>
    void number(Tag tag, T value)
    {
        begin(tag, sizeof(value));
        append(static_cast<std::uint64_t>(value), sizeof(value));
    }

    // 0 is left out.
    void optional_number(Tag tag, std::uint64_t value)
    {
        if (value != 0)
            number(tag, value);
    }

    // The first enumerator is left out.
    template <class T>
    requires std::is_enum_v<T>

    void optional_enumerator(Tag tag, T value)
    {
        if (value != T())
            number(tag, value);
    }

    // False is left out.
    void optional_flag(Tag tag, bool value)
    {
        if (value)
            number(tag, std::uint8_t(1));
    }

    void text(Tag tag, std::string_view value)
    {
        value = value.substr(0, longest_text);
        begin(tag, value.size());
        bytes_ += value;
    }

    // An empty one is left out.
    void optional_text(Tag tag, std::string_view value)
    {
        if (!value.empty())
            text(tag, value);
    }

    // Left out where it is `otherwise`, for which older programs and those of a later version take
    // a code that is missing or unknown.
    void optional_code(Tag tag, Code value, Code otherwise)
    {
        if (value != otherwise)
            text(tag, name_of(value));
    }

    // One field for each.
    void texts(Tag tag, const std::vector<std::string>& values, ListLimits limits = {})
    {
        for (const std::string& each : values) {
            const std::size_t size = std::min(each.size(), longest_text) + 1;
            if (limits.elements == 0 || limits.bytes < size)
                return;
            --limits.elements;
            limits.bytes -= size;
            text(tag, each);
        }
    }

    void bytes(Tag tag, std::span<const std::uint8_t> value)
    {
        begin(tag, value.size());
        bytes_.append(reinterpret_cast<const char*>(value.data()), value.size());
    }

    void duration(Tag tag, std::chrono::milliseconds value)
    {
        number(tag, static_cast<std::uint64_t>(value.count()));
    }

    // Several fields that are there together or not at all; `first` is one of them.
    template <class T, class List>
    void optional_group(Tag, const std::optional<T>& group, const List& list)
    {
        if (group)
            list(*group);
    }

    std::string finish() &&
    {
        bytes_[0] = static_cast<char>(bytes_.size() >> 8);
        bytes_[1] = static_cast<char>(bytes_.size() & 0xff);
        return std::move(bytes_);
    }

private:
    void begin(Tag tag, std::size_t size)
    {
        bytes_ += static_cast<char>(tag);
        append(size, 2);
    }

    void append(std::uint64_t value, std::size_t size)
    {
        for (std::size_t i = size; i-- > 0;)
            bytes_ += static_cast<char>(value >> (8 * i) & 0xff);
    }

    std::string bytes_;
};

// Reads the fields of one frame. A field that is missing, or has a wrong size, is noted, so that
// all of them can be asked for, and complete() once at the end.
class FieldReader {
public:
    // nullopt: a length that reaches beyond the frame. The bytes must outlive the reader.
    static std::optional<FieldReader> parse(std::span<const std::uint8_t> body);

    template <FieldNumber T>
    void number(Tag tag, T& value)
    {
        value = static_cast<T>(number_of(tag, sizeof(value)));
    }

    void optional_number(Tag tag, std::uint64_t& value)
    {
        if (has(tag))
            number(tag, value);
    }

    template <class T>
    requires std::is_enum_v<T>

    void optional_enumerator(Tag tag, T& value)
    {
        if (has(tag))
            number(tag, value);
    }

    void optional_flag(Tag tag, bool& value) { value = has(tag) && number_of(tag, 1) == 1; }

    void text(Tag tag, std::string& value);

    void optional_text(Tag tag, std::string& value)
    {
        if (has(tag))
            text(tag, value);
    }

    void optional_code(Tag tag, Code& value, Code otherwise)
    {
        std::string name;
        optional_text(tag, name);
        value = parse_code(name).value_or(otherwise);
    }

    void texts(Tag tag, std::vector<std::string>& values, ListLimits limits = {});

    template <std::size_t size>
    void bytes(Tag tag, std::array<std::uint8_t, size>& value)
    {
        const auto found = find(tag);
        if (found && found->size() == size)
            std::ranges::copy(*found, value.begin());
        else
            complete_ = false;
    }

    void duration(Tag tag, std::chrono::milliseconds& value);

    template <class T, class List>
    void optional_group(Tag first, std::optional<T>& group, const List& list)
    {
        if (!has(first))
            return;
        group = T(); // clang 14 knows no emplace() of a nested struct here
        list(*group);
    }

    // Everything that was asked for was there.
    bool complete() const { return complete_; }

private:
    struct Entry {
        Tag tag;
        std::span<const std::uint8_t> value;
    };

    std::uint64_t number_of(Tag tag, std::size_t size);
    std::optional<std::span<const std::uint8_t>> find(Tag tag) const; // the first of that tag

    bool has(Tag tag) const { return find(tag).has_value(); }

    std::vector<Entry> entries_;
    bool complete_ = true;
};

} // namespace tunnel
