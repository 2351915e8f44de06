// What keys are made of. The numbers come from the openssl command (kdf and mac) and from RFC 4231:
// with other numbers a proxy does not understand one of an earlier release any more.
#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>

#include "common/security/key.hpp"
#include "tests/support/hex.hpp"

using namespace tunnel;
using namespace tunnel::test;

namespace {

// 00 01 02 … 1f
Key counted()
{
    Key key;
    std::iota(key.bytes.begin(), key.bytes.end(), std::uint8_t{0});
    return key;
}

// RFC 4231 has shorter keys; HMAC fills them up with zeros itself.
Key filled_up(std::string_view text)
{
    Key key;
    std::ranges::copy(text, key.bytes.begin());
    return key;
}

} // namespace

TEST_CASE("every label has the key that the openssl command derives for it")
{
    const Key from = counted();
    CHECK(hex(derive(from.bytes, "control connection").bytes) ==
          "1f06184d1bd629ab0c28ef9d4fc235853df999338bb82dd9b22b8d68d24b1f06");
    CHECK(hex(derive(from.bytes, "log-in").bytes) ==
          "34a587caca58dea63544c30c55c7273b81bb561424aa696bdb1f78188d5e8559");
    CHECK(hex(derive(from.bytes, "session").bytes) ==
          "dcfb3a900fde68561c71bb5c4d0fb2b1502020c926078be27b6dff910daefcf1");
    CHECK(hex(derive(from.bytes, "data connection").bytes) ==
          "44c9c4bfacde62101df5794619a099bacfd113b0b4b2e84aa1ae3b6f97dfd054");
    CHECK(hex(derive_name(from.bytes, "name of a secret")) == "3d6bd4ebca534b89d015b44dc7de1b77");
}

TEST_CASE("a context is part of the key that is derived")
{
    RandomBytes context{};
    std::iota(context.begin(), context.end(), std::uint8_t{0xa0});
    CHECK(hex(derive(counted().bytes, "data connection", context).bytes) ==
          "f4f71b2b3fb6a540cd040c2bf59c4ed2353b9dec50073222e6621131209aa0bd");
}

TEST_CASE("another label, context or key to derive from gives another key")
{
    const Key from = counted();
    Key other = from;
    other.bytes.back() ^= 1;
    const std::array<std::uint8_t, 1> zero{0};
    const std::array<std::uint8_t, 1> one{1};
    std::vector<std::string> keys{hex(derive(from.bytes, "log-in").bytes),
                                  hex(derive(from.bytes, "log-i").bytes),
                                  hex(derive(from.bytes, "session").bytes),
                                  hex(derive(from.bytes, "log-in", zero).bytes),
                                  hex(derive(from.bytes, "log-in", one).bytes),
                                  hex(derive(other.bytes, "log-in").bytes),
                                  hex(derive(std::span(from.bytes).first(31), "log-in").bytes)};
    std::ranges::sort(keys);
    CHECK(std::ranges::adjacent_find(keys) == keys.end());
}

TEST_CASE("the name of a secret tells nothing that is in its keys")
{
    const Key from = counted();
    const std::string name = hex(derive_name(from.bytes, "name of a secret"));
    for (const char* const purpose : {"control connection", "log-in", "session"})
        CHECK(hex(derive(from.bytes, purpose).bytes).find(name) == std::string::npos);
}

TEST_CASE("a mac is HMAC-SHA256, by the test vectors of RFC 4231")
{
    CHECK(hex(mac(filled_up(std::string(20, '\x0b')), "Hi There")) ==
          "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    CHECK(hex(mac(filled_up("Jefe"), "what do ya want for nothing?")) ==
          "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST_CASE("bytes are equal only if all of them are, and as many")
{
    const Key key = counted();
    CHECK(equal(key.bytes, counted().bytes));
    CHECK_FALSE(equal(key.bytes, std::span(key.bytes).first(31)));
    CHECK(equal({}, {}));
    for (std::size_t i = 0; i < Key::size; ++i) {
        Key other = key;
        other.bytes[i] ^= 0x80;
        CHECK_FALSE(equal(key.bytes, other.bytes));
    }
}

TEST_CASE("what is wiped is zero")
{
    Key key = counted();
    wipe(key.bytes);
    CHECK(std::ranges::all_of(key.bytes, [](std::uint8_t byte) { return byte == 0; }));
}
