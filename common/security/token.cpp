#include "common/security/token.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>

#include <fmt/format.h>

#include "common/sandbox/sandbox.hpp"
#include "common/security/file.hpp"
#include "common/security/secret_text.hpp"

namespace tunnel {

namespace {

constexpr std::size_t shortest_token = 16;
constexpr std::size_t longest_token = 256;
constexpr std::size_t largest_token_file = 4096;

// It, without the spaces and line ends around it. Throws std::runtime_error.
std::string_view token_of(std::string_view text, std::string_view where)
{
    constexpr std::string_view how_to_make_one = "make one with: remote-proxy gen-secret > FILE";
    keep_memory_private();
    text = trimmed_secret(text);
    if (const std::string wrong = objection_to_secret(text, "a token"); !wrong.empty())
        throw std::runtime_error(fmt::format("{}: {}; {}", where, wrong, how_to_make_one));
    if (text.size() < shortest_token || text.size() > longest_token)
        throw std::runtime_error(
            fmt::format("{}: a token for management is one word of {} to {} characters; {}", where,
                        shortest_token, longest_token, how_to_make_one));
    return text;
}

} // namespace

Key key_of_token(std::string_view token)
{
    const std::span bytes(reinterpret_cast<const std::uint8_t*>(token.data()), token.size());
    return derive(bytes, "management token");
}

Key read_token(const std::string& path)
{
    const PrivateText text = read_private_file(path, largest_token_file);
    return parse_token(text.view(), path);
}

Key parse_token(std::string_view text, std::string_view where)
{
    return key_of_token(token_of(text, where));
}

PrivateText token_in(const std::string& path)
{
    const PrivateText text = read_file(path, largest_token_file);
    return PrivateText(std::string(token_of(text.view(), path)));
}

} // namespace tunnel
