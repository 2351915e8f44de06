#include "common/http/basic_credentials.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>

namespace tunnel {

namespace {

constexpr std::string_view base64_letters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// nullopt: it is not what an encoder writes, with its padding and without bits left over.
std::optional<PrivateText> decode_base64(std::string_view text)
{
    if (text.size() % 4 != 0)
        return std::nullopt;
    const std::size_t letters = std::min(text.find('='), text.size());
    const std::string_view padding = text.substr(letters);
    if (padding.size() > 2 || padding.find_first_not_of('=') != std::string_view::npos)
        return std::nullopt;
    PrivateText bytes(std::string(text.size(), '\0'));
    std::size_t size = 0;
    std::uint32_t bits = 0;
    unsigned count = 0; // of bits that are no byte yet
    for (const char letter : text.substr(0, letters)) {
        const std::size_t value = base64_letters.find(letter);
        if (value == std::string_view::npos)
            return std::nullopt;
        bits = (bits << 6 | static_cast<std::uint32_t>(value)) & 0xffff;
        count += 6;
        if (count >= 8) {
            count -= 8;
            bytes.data()[size++] = static_cast<char>(bits >> count & 0xff);
        }
    }
    if ((bits & ((1U << count) - 1)) != 0)
        return std::nullopt;
    bytes.shorten(size);
    return bytes;
}

bool is_basic_scheme(std::string_view text)
{
    constexpr std::string_view scheme = "basic";
    return std::ranges::equal(text, scheme, {}, [](char letter) {
        return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
    });
}

bool has_control(std::string_view text)
{
    return std::ranges::any_of(
        text, [](char each) { return static_cast<unsigned char>(each) < ' ' || each == 127; });
}

} // namespace

std::optional<BasicCredentials> parse_basic_credentials(std::string_view authorization)
{
    constexpr std::size_t scheme_size = 6; // with its blank
    if (authorization.size() > BasicCredentials::longest_header ||
        authorization.size() < scheme_size || authorization[scheme_size - 1] != ' ' ||
        !is_basic_scheme(authorization.substr(0, scheme_size - 1)))
        return std::nullopt;
    auto text = decode_base64(authorization.substr(scheme_size));
    if (!text || has_control(text->view()))
        return std::nullopt;
    const std::size_t colon = text->view().find(':');
    if (colon == std::string_view::npos || colon == 0)
        return std::nullopt;
    std::string user(text->view().substr(0, colon));
    text->drop_front(colon + 1);
    return BasicCredentials{std::move(user), std::move(*text)};
}

} // namespace tunnel
