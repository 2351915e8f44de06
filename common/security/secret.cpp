#include "common/security/secret.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <set>
#include <stdexcept>

#include <fmt/format.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/sandbox/sandbox.hpp"
#include "common/security/file.hpp"
#include "common/security/secret_text.hpp"

namespace tunnel {

namespace {

constexpr double least_bits = 128;
constexpr std::size_t least_different = 8; // characters: "aaaa…" is long, and guessed at once
constexpr std::size_t largest_secret_file = 4096;

constexpr std::string_view alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"; // base64url, RFC 4648

constexpr std::string_view way_out = "make one with: remote-proxy gen-secret > FILE";

// At most: what it would have if every character were random out of its kind.
double bits_of(std::string_view text)
{
    const auto any = [text](auto in_kind) { return std::ranges::any_of(text, in_kind); };
    const auto is_hex = [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    };
    const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
    const auto is_lower = [](char c) { return c >= 'a' && c <= 'z'; };
    const auto is_upper = [](char c) { return c >= 'A' && c <= 'Z'; };
    double kinds = 0;
    if (std::ranges::all_of(text, is_digit))
        kinds = 10;
    else if (std::ranges::all_of(text, is_hex))
        kinds = 16;
    else
        kinds = (any(is_digit) ? 10 : 0) + (any(is_lower) ? 26 : 0) + (any(is_upper) ? 26 : 0) + 2;
    return static_cast<double>(text.size()) * std::log2(kinds);
}

} // namespace

Credential parse_secret(std::string_view text, std::string_view where)
{
    keep_memory_private();
    const std::string_view secret = trimmed_secret(text);
    const std::set<char> different(secret.begin(), secret.end());
    if (secret.empty())
        throw std::runtime_error(fmt::format("{}: there is no secret in it; {}", where, way_out));
    if (const std::string wrong = objection_to_secret(secret, "a secret"); !wrong.empty())
        throw std::runtime_error(fmt::format("{}: {}; {}", where, wrong, way_out));
    if (bits_of(secret) < least_bits || different.size() < least_different)
        throw std::runtime_error(
            fmt::format("{}: the secret is too short to resist guessing, it needs 128 random bits "
                        "at least; {}",
                        where, way_out));
    const std::span bytes(reinterpret_cast<const std::uint8_t*>(secret.data()), secret.size());
    return {derive_name(bytes, "name of a secret"), derive(bytes, "control connection"),
            derive(bytes, "log-in")};
}

Credential read_secret_file(const std::string& path)
{
    PrivateText text = read_private_file(path, largest_secret_file);
    return parse_secret(text.view(), path);
}

std::string generate_secret()
{
    std::array<std::uint8_t, 32> random{};
    if (RAND_priv_bytes(random.data(), static_cast<int>(random.size())) != 1)
        throw std::runtime_error("the system has no random numbers");
    std::string text;
    std::uint32_t held = 0;
    int bits = 0;
    for (const std::uint8_t byte : random) {
        held = held << 8 | byte;
        for (bits += 8; bits >= 6; bits -= 6)
            text += alphabet[held >> (bits - 6) & 63];
    }
    text += alphabet[held << (6 - bits) & 63];
    wipe(random);
    return text;
}

int print_secret(bool as_json)
{
    struct stat status {};

    // The shell has just made it, and readable for everybody, as its umask may be.
    if (::fstat(STDOUT_FILENO, &status) == 0 && S_ISREG(status.st_mode))
        ::fchmod(STDOUT_FILENO, S_IRUSR | S_IWUSR);
    const std::string secret = generate_secret();
    const std::string line =
        (as_json ? fmt::format(R"({{"secret":"{}"}})", secret) : secret) + '\n';
    const bool written = std::fputs(line.c_str(), stdout) >= 0 && std::fflush(stdout) == 0;
    if (!written)
        std::fprintf(stderr, "cannot write the secret: %s\n", std::strerror(errno));
    return written ? 0 : 1;
}

} // namespace tunnel
