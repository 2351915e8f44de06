// What an ACME client has put down for the authority to read (RFC 8555, 8.3).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tunnel {

// A look for the file of one token.
struct AcmeFile {
    enum class Is : std::uint8_t {
        there,
        missing,
        refused, // there is something of this name that is not read
        not_now  // too many are looked for, or the file system is slow
    };

    Is is = Is::missing;
    std::string content{};
    std::string why{}; // it is refused, or not now; for the log
};

// Whether it can be the name of a challenge's file. It is a name in one folder, therefore.
inline bool is_acme_token(std::string_view text)
{
    constexpr std::size_t longest = 128;
    constexpr std::string_view characters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                            "abcdefghijklmnopqrstuvwxyz"
                                            "0123456789-_";
    return !text.empty() && text.size() <= longest &&
           text.find_first_not_of(characters) == std::string_view::npos;
}

} // namespace tunnel
