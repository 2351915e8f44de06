#include <doctest/doctest.h>

#include <stdexcept>

#include "common/http/logins.hpp"
#include "tests/unit/http/hashes.hpp"

using namespace std::string_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

std::string refused(const std::string& text)
{
    try {
        (void)Logins::parse(text, "users");
    } catch (const std::runtime_error& error) {
        return error.what();
    }
    return "";
}

bool has(const std::string& text, std::string_view part)
{
    return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("logins are lines of names and hashes, among comments and empty lines")
{
    const auto logins = Logins::parse("# who may\r\n\r\nalice:" + open_sesame +
                                          " \r\n  \nb\u00f6b x:" + open_sesames[4] +
                                          ":a remark\ncarol:" + open_sesames[5],
                                      "users");
    CHECK(logins.size() == 3);
    REQUIRE(logins.find("alice") != nullptr);
    CHECK(logins.find("alice")->hash == open_sesame);
    REQUIRE(logins.find("b\u00f6b x") != nullptr);
    CHECK(logins.find("b\u00f6b x")->hash == open_sesames[4]);
    CHECK(logins.find("carol")->hash == open_sesames[5]);
    CHECK(logins.find("Alice") == nullptr);
    CHECK(logins.find("") == nullptr);
    CHECK(logins.first().user == "alice");
}

TEST_CASE(
    "each kind of hash that takes long to guess is taken, and none with a part missing or more")
{
    for (const std::string& hash : open_sesames) {
        CHECK(refused("alice:" + hash) == "");
        for (std::size_t size = 0; size < hash.size(); ++size)
            CHECK_MESSAGE(refused("alice:" + hash.substr(0, size)) != "", hash.substr(0, size));
        CHECK(refused("alice:" + hash + ".") != "");
        for (const char letter : {'$', '\0', '*', '\x80'}) {
            std::string other = hash;
            other.back() = letter;
            CHECK(refused("alice:" + other) != "");
        }
    }
}

TEST_CASE("hashes that are guessed quickly, and passwords as they are, are refused with the remedy")
{
    CHECK(has(refused("carol:$apr1$L6VzOOld$mvTpSCHNEdqdww.2EHdrM0"), "MD5"));
    CHECK(has(refused("carol:$1$uEHsUawL$aFbJorj.GeF7g1/Npwcxc0"), "MD5"));
    CHECK(has(refused("carol:$md5,rounds=40847$jDiRsrWB$$zCjh.gkX82/9ghG0J4nHx0"), "MD5"));
    CHECK(has(refused("carol:{SHA}EfatjsUqKYSrqv18O1FlA3hcIHI="), "SHA-1"));
    CHECK(has(refused("carol:.OUYksj6tYmsw"), "DES"));
    CHECK(has(refused("carol:hunter2"), "a password as it is"));
    CHECK(has(refused("carol:"), "no hash"));
    for (const char* hash : {"$apr1$L6VzOOld$mvTpSCHNEdqdww.2EHdrM0", "hunter2", ".OUYksj6tYmsw"}) {
        const std::string text = refused("# x\ncarol:"s + hash);
        CHECK(has(text, "htpasswd -B"));
        CHECK(has(text, "users:2: "));
        CHECK_FALSE(has(text, hash));
    }
}

TEST_CASE("a hash that would keep a thread too long is refused")
{
    const std::string salt = "abcdefghijklmnopqrstuu/LVz6MZlItEy42I2juLihZ66HnQx/cy";
    CHECK(refused("a:$2y$14$" + salt) == "");
    CHECK(has(refused("a:$2y$15$" + salt), "too long"));
    CHECK(has(refused("a:$2y$31$" + salt), "too long"));
    CHECK(has(refused("a:$2y$03$" + salt), "no such cost"));
    CHECK(has(refused("a:$2y$0x$" + salt), "not whole"));
    const std::string sha = "$saltsalt$" + open_sesames[3].substr(open_sesames[3].rfind('$') + 1);
    CHECK(refused("a:$5$rounds=500000" + sha) == "");
    CHECK(has(refused("a:$5$rounds=500001" + sha), "too long"));
    CHECK(has(refused("a:$5$rounds=99999999999999999999" + sha), "no such number"));
    CHECK(has(refused("a:$5$rounds=999" + sha), "no such number"));
    CHECK(has(refused("a:$5$rounds=05000" + sha), "no such number"));
    CHECK(has(refused("a:$5$rounds=-5000" + sha), "no such number"));
    CHECK(has(refused("a:$5$rounds=" + sha), "no such number"));
    CHECK(has(refused("a:$5$rounds="), "no such number"));
    const std::string yescrypt =
        "$F5Jx5fExrKuPp53xLKQ..1$b9ipOqv8PnW5AVU85r73I0FOIAcGICbbCril3UpGHU0";
    CHECK(refused("a:$y$jBT" + yescrypt) == "");
    CHECK(has(refused("a:$y$jCT" + yescrypt), "too long"));
    CHECK(has(refused("a:$y$zzzzzz" + yescrypt), "too long"));
}

TEST_CASE("a name that no header can carry is refused")
{
    CHECK(has(refused(":" + open_sesame), "no name"));
    CHECK(has(refused(" alice:" + open_sesame), "blank"));
    CHECK(has(refused("alice :" + open_sesame), "blank"));
    CHECK(has(refused("al\rice:" + open_sesame), "control"));
    CHECK(has(refused("al\x7fice:" + open_sesame), "control"));
    CHECK(has(refused("al\0ice:"s + open_sesame), "control"));
    CHECK(refused(std::string(64, 'a') + ":" + open_sesame) == "");
    CHECK(has(refused(std::string(65, 'a') + ":" + open_sesame), "64"));
    CHECK(has(refused("alice"), "user:hash"));
    CHECK(has(refused("a:" + open_sesame + "\na:" + open_sesame), "users:2: an earlier one"));
}

TEST_CASE("there is at least one login, and no more than can be sent")
{
    CHECK(has(refused(""), "no login"));
    CHECK(has(refused("# nobody\n\n"), "no login"));
    std::string text;
    for (std::size_t i = 0; i < Logins::most_users; ++i)
        text += "user" + std::to_string(i) + ":" + open_sesame + "\n";
    CHECK(Logins::parse(text, "users").size() == Logins::most_users);
    CHECK(has(refused(text + "more:" + open_sesame), "more than 64"));
    CHECK(has(refused("#" + std::string(16 * 1024, '#')), "16 KiB"));
}

TEST_CASE("logins that were sent are what they were, and a peer's are as strictly read")
{
    const auto logins =
        Logins::parse("alice:" + open_sesame + "\nbob:" + open_sesames[3] + ":x\n", "users");
    CHECK(Logins::of_lines(logins.lines()) == logins);
    CHECK_THROWS_AS((void)Logins::of_lines({}), std::runtime_error);
    CHECK_THROWS_WITH((void)Logins::of_lines({"alice:" + open_sesame, "bob"}),
                      "login 2: it is no \"user:hash\", as `htpasswd -B` writes it");
    CHECK_THROWS_AS((void)Logins::of_lines({"alice\nb:" + open_sesame}), std::runtime_error);
    CHECK_THROWS_AS((void)Logins::of_lines({"#:" + std::string(20'000, 'x')}), std::runtime_error);
}
