// A TLS ClientHello made by hand, part by part, so that each of them can be wrong.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "common/transport/hello_name.hpp"

namespace tunnel::test {

// With its length in front of it, in `size` bytes.
inline std::string sized(std::size_t size, std::string_view content)
{
    std::string bytes(size, '\0');
    for (std::size_t i = 0; i < size && i < sizeof(std::size_t); ++i)
        bytes[size - 1 - i] = static_cast<char>(content.size() >> (8 * i));
    return bytes.append(content);
}

inline std::string hello_record(std::string_view body, char type = 22, char minor_version = 1)
{
    return std::string{type, 3, minor_version} + sized(2, body);
}

inline std::string hello_message(std::string_view body, char type = 1)
{
    return type + sized(3, body);
}

// Handshake records of `size` bytes, and a last one of the rest.
inline std::string in_records(std::string_view message, std::size_t size)
{
    std::string records;
    for (; !message.empty(); message.remove_prefix(std::min(size, message.size())))
        records += hello_record(message.substr(0, size));
    return records;
}

inline std::string extension(int type, std::string_view content)
{
    return std::string{static_cast<char>(type >> 8), static_cast<char>(type)} + sized(2, content);
}

inline std::string name_entry(std::string_view name, char type = 0)
{
    return type + sized(2, name);
}

inline std::string server_name(std::string_view entries)
{
    return extension(0, sized(2, entries));
}

struct HelloParts {
    std::string version = "\x03\x03";
    std::string random = std::string(32, 'r');
    std::string session_id = std::string(32, 's');
    std::string ciphers = "\x13\x01\xc0\x2f";
    std::string compressions = std::string(1, '\0');
    std::optional<std::string> extensions{};
};

inline std::string hello_body(const HelloParts& parts)
{
    std::string body = parts.version + parts.random + sized(1, parts.session_id) +
                       sized(2, parts.ciphers) + sized(1, parts.compressions);
    if (parts.extensions)
        body += sized(2, *parts.extensions);
    return body;
}

inline std::string hello_with(std::string_view extensions)
{
    HelloParts parts;
    parts.extensions = std::string(extensions);
    return hello_message(hello_body(parts));
}

inline std::string hello_of(std::string_view name)
{
    return hello_with(server_name(name_entry(name)));
}

// The name, or else what stands for it: words with a space in them, as no name has.
inline std::string found_in(std::string_view bytes)
{
    const auto found = find_hello_name(bytes);
    if (const auto* const hello = std::get_if<HelloName>(&found)) {
        if (!hello->is_valid)
            return hello->name.empty() ? "no host name" : "a name that is not valid";
        return hello->name.empty() ? "no name" : hello->name;
    }
    switch (std::get<NoHello>(found)) {
    case NoHello::not_whole:
        return "not whole";
    case NoHello::not_tls:
        return "not TLS";
    case NoHello::plain_http:
        return "plain HTTP";
    case NoHello::old_ssl:
        return "old SSL";
    case NoHello::malformed:
        return "is malformed";
    case NoHello::too_large:
        return "too large";
    }
    return "no answer";
}

} // namespace tunnel::test
