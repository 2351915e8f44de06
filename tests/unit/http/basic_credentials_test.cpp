#include <doctest/doctest.h>

#include <random>

#include "common/http/basic_credentials.hpp"
#include "tests/unit/http/hashes.hpp"

using namespace std::string_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

bool is_read(std::string_view header)
{
    return parse_basic_credentials(header).has_value();
}

} // namespace

TEST_CASE("the example of RFC 7617 is read, whatever the case of the scheme")
{
    for (const char* scheme : {"Basic", "basic", "BASIC", "bAsIc"}) {
        const auto read = parse_basic_credentials(scheme + " QWxhZGRpbjpvcGVuIHNlc2FtZQ=="s);
        REQUIRE(read);
        CHECK(read->user == "Aladdin");
        CHECK(read->password.view() == "open sesame");
    }
}

TEST_CASE("whatever name and password a browser sends are read")
{
    std::mt19937 random(1);
    for (int i = 0; i < 2000; ++i) {
        const auto letters = [&](std::size_t size, bool may_be_colon) {
            std::string text;
            while (text.size() < size) {
                const auto letter = static_cast<char>(random() % 256);
                if (static_cast<unsigned char>(letter) >= ' ' && letter != 127 &&
                    (may_be_colon || letter != ':'))
                    text += letter;
            }
            return text;
        };
        const std::string user = letters(1 + random() % 20, false);
        const std::string password = letters(random() % 80, true);
        const auto read = parse_basic_credentials(basic(user + ":" + password));
        REQUIRE(read);
        CHECK(read->user == user);
        CHECK(read->password.view() == password);
        CHECK(*(read->password.view().end()) == '\0'); // for crypt(3)
    }
}

TEST_CASE("an empty password is one, and an empty name is none")
{
    CHECK(is_read(basic("a:")));
    CHECK(is_read(basic("a::")));
    CHECK_FALSE(is_read(basic(":a")));
    CHECK_FALSE(is_read(basic(":")));
    CHECK_FALSE(is_read(basic("a")));
    CHECK_FALSE(is_read(basic("")));
}

TEST_CASE("control characters are refused, wherever they stand")
{
    for (int letter = 0; letter < 256; ++letter) {
        const bool is_control = letter < ' ' || letter == 127;
        const std::string text(1, static_cast<char>(letter));
        CHECK(is_read(basic("a:b" + text + "c")) == !is_control);
        if (letter != ':')
            CHECK(is_read(basic("a" + text + ":c")) == !is_control);
    }
}

TEST_CASE("only what an encoder writes is base64")
{
    CHECK(is_read("Basic YTpi"));     // a:b
    CHECK(is_read("Basic YTo="));     // a:
    CHECK(is_read("Basic YTpiYg==")); // a:bb
    for (const char* text :
         {"YTpiYg=",  "YTpiYg", "YTpiYg===", "YTpiY===",  "YTpi=",     "YTpi====", "YTpiYh==",
          "YTpiYn==", "YTp=",   "=YTp",      "YT=pi",     "YTpi YTpi", "YTpi ",    " YTpi",
          "YTp-",     "YTp_",   "YTp\n",     "YTpi,YTpi", "Y",         "="})
        CHECK_MESSAGE(!is_read("Basic "s + text), text);
}

TEST_CASE("another scheme, none, or a header that is too long is refused")
{
    for (const char* text : {"", "Basic", "Basic ", "Basic\tYTpi", "BasicYTpi", "Basic: YTpi",
                             " Basic YTpi", "Bearer YTpi", "Digest YTpi", "YTpi", "Basi YTpi"})
        CHECK_MESSAGE(!is_read(text), text);
    const std::string longest = basic("a:" + std::string(376, 'x')); // 504 letters
    CHECK(longest.size() == 510);
    CHECK(is_read(longest));
    CHECK_FALSE(is_read(basic("a:" + std::string(379, 'x'))));
}
