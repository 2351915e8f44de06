#include <doctest/doctest.h>

#include <set>

#include <sys/stat.h>

#include "common/security/file.hpp"
#include "common/security/secret.hpp"
#include "tests/support/hex.hpp"
#include "tests/support/temporary_file.hpp"
#include "tests/unit/captured.hpp"

using namespace tunnel;
using namespace tunnel::test;

namespace {

// What parse_secret() says of it; empty if it takes it.
std::string objection_to(std::string_view text)
{
    try {
        parse_secret(text, "the place");
        return {};
    } catch (const std::runtime_error& error) {
        return error.what();
    }
}

constexpr std::string_view good = "0123456789abcdef0123456789abcdef";

} // namespace

TEST_CASE("128 random bits are enough for a secret, however they are written")
{
    CHECK(objection_to(good).empty()); // 32 hex digits
    CHECK(objection_to("0123456789ABCDEF0123456789ABCDEF").empty());
    CHECK(objection_to("AAECAwQFBgcICQoLDA0ODw").empty());                  // 22 of base64url
    CHECK(objection_to("a-2_Xy73kQpLw0Zt8sVn5m").empty());                  // the same
    CHECK(objection_to("314159265358979323846264338327950288419").empty()); // 39 digits
    CHECK(objection_to(generate_secret()).empty());
    CHECK(objection_to(std::string(2000, 'x') + "abcdefgh").empty());
}

TEST_CASE("a secret that could be guessed is refused with the way out, and without its text")
{
    for (const std::string_view text :
         {std::string_view("0123456789abcdef0123456789abcde"), // 124 bits
          std::string_view("a-2_Xy73kQpLw0Zt8sVn5"),           // 126
          std::string_view("31415926535897932384626433832795028841"), std::string_view("hunter2"),
          std::string_view("x"),
          std::string_view("abababababababababababababababababababababababababababab"),
          std::string_view("1234567123456712345671234567123456712345671234567")}) {
        const std::string words = objection_to(text);
        CAPTURE(words);
        CHECK(words.starts_with("the place: the secret is too short to resist guessing"));
        CHECK(words.find("gen-secret") != std::string::npos);
        CHECK((text.size() < 3 || words.find(text) == std::string::npos));
    }
}

TEST_CASE("what is around a secret in a file is no part of it")
{
    const Credential bare = parse_secret(good, "here");
    for (const std::string& text :
         {"\xEF\xBB\xBF" + std::string(good), std::string(good) + "\r\n", " \t" + std::string(good),
          "\xEF\xBB\xBF\n" + std::string(good) + "\n\n", std::string(good) + "\v\f"})
        CHECK(parse_secret(text, "here") == bare);
}

TEST_CASE("what looks like a secret and is another one somewhere else is refused, and not quoted")
{
    using namespace std::string_literals;
    const std::string secret(good);
    const std::string front = secret.substr(0, 16);
    const std::string back = secret.substr(16);
    const auto check = [&](const std::string& text, std::string_view why) {
        const std::string words = objection_to(text);
        CAPTURE(words);
        CHECK(words.find(why) != std::string::npos);
        CHECK(words.find("gen-secret") != std::string::npos);
        CHECK(words.find(front) == std::string::npos);
        CHECK(words.find(back) == std::string::npos);
    };
    check(secret + '\0', "zero byte");
    check(front + '\0' + back, "zero byte");
    check("\0"s + secret, "zero byte");
    for (const char control : {'\x01', '\x07', '\x08', '\x1b', '\x7f'})
        check(front + control + back, "control character");
    for (const std::string_view space : {"\xC2\xA0", "\xE2\x80\xAF", "\xE2\x80\x8B"}) {
        check(secret + std::string(space), "space");
        check(std::string(space) + secret, "space");
        check(front + std::string(space) + back, "space");
    }
    check(front + "\xEF\xBB\xBF" + back, "byte order mark");
    check("\xE2\x80\x9C" + secret + "\xE2\x80\x9D", "typographic quote");
    check("\xE2\x80\x98" + secret + "\xE2\x80\x99", "typographic quote");
    check(front + "\xE2\x80\x93" + back, "long dash");
    for (const std::string_view other :
         {"\xC3\xA4", "\xE4", "\xE2\x80\x8E", "\xEF\xB8\x8F", "\xF0\x9F\x98\x80", "\xE3\x80\x80"})
        check(front + std::string(other) + back, "not ASCII");
    for (const char quote : {'"', '\'', '`'})
        check(quote + secret + quote, "quotes around");
    for (const std::string_view name :
         {"secret = ", "secret=", "SECRET: ", "REMOTE_PROXY_SECRET=", "export ORIGIN_PROXY_SECRET=",
          "my-token=", "\"secret\": ", "password="})
        check(std::string(name) + secret, "a name before");
    check("secret = \"" + secret + "\"", "a name before");
}

TEST_CASE("signs inside a secret are part of it")
{
    for (const std::string_view text :
         {"q'7=Zk\"9:w{P2}x;v$T4#mB8@LsN6!cRdY", "=AAECAwQFBgcICQoLDA0ODxAREhMUFQ==",
          "AAECAwQFBgcICQoLDA0ODw==", "\"AAECAwQFBgcICQoLDA0ODxAREhMUFQ",
          "k3y=a8d7f6a5s4d3f2g1h0jqwertz"})
        CHECK(objection_to(text) == "");
}

TEST_CASE("nothing, spaces and several words are no secret")
{
    for (const std::string_view text : {"", " ", "\n", " \t\r\n "})
        CHECK(objection_to(text) == "the place: there is no secret in it; make one with: "
                                    "remote-proxy gen-secret > FILE");
    const std::string half(good.substr(16));
    for (const char between : {' ', '\t', '\n', '\r'}) {
        const std::string words = objection_to(std::string(good) + between + half);
        CHECK(words.find("one word") != std::string::npos);
        CHECK(words.find("gen-secret") != std::string::npos);
        CHECK(words.find(half) == std::string::npos);
    }
}

TEST_CASE("spaces and line ends around a secret are not part of it, all else is")
{
    const Credential plain = parse_secret(good, "");
    CHECK(parse_secret(" \t" + std::string(good) + "\r\n\n", "") == plain);
    CHECK_FALSE(parse_secret("0123456789ABCDEF0123456789ABCDEF", "") == plain);
    CHECK_FALSE(parse_secret(std::string(good) + "0", "") == plain);
}

TEST_CASE("a secret stands for three things that have nothing in common, the same every time")
{
    const Credential credential = parse_secret(good, "");
    // By the openssl command, as in key_test.cpp.
    CHECK(hex(credential.id) == "c9700b8c11840f361c70effdcdf3ba2b");
    CHECK(hex(credential.tls.bytes) ==
          "c634af014a7080b0a9c27b32b29b37541e34ef2c2da82df6611d632b34978f69");
    CHECK(hex(credential.log_in.bytes) ==
          "cfe1c178113e7e3fda4d709ca33f355fbafe8409bdb07bb8ecdc226aecd6a20d");
}

TEST_CASE("a thousand generated secrets have 43 characters of base64url each and are all different")
{
    std::set<std::string> all;
    std::set<char> last;
    for (int i = 0; i < 1000; ++i) {
        const std::string secret = generate_secret();
        CHECK(secret.size() == 43);
        CHECK(secret.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                       "0123456789-_") == std::string::npos);
        all.insert(secret);
        last.insert(secret.back());
    }
    CHECK(all.size() == 1000);
    CHECK(last.size() == 16); // 256 bits are 42 characters and four bits
}

TEST_CASE("a secret is read from its file, with a warning if others than the owner may read it")
{
    Credential read;
    for (const mode_t mode : {0600, 0400}) {
        const TemporaryFile file(std::string(good) + "\n", mode);
        CHECK(log_of([&] { read = read_secret_file(file.path()); }).empty());
        CHECK(read == parse_secret(good, ""));
    }
    for (const mode_t mode : {0640, 0604, 0620}) {
        const TemporaryFile file(good, mode);
        const std::string log = log_of([&] { read = read_secret_file(file.path()); });
        CHECK(read == parse_secret(good, ""));
        CHECK(log.find("chmod 600") != std::string::npos);
        CHECK(log.find(file.path()) != std::string::npos);
        CHECK(log.find(good) == std::string::npos);
    }
}

TEST_CASE("a file that is no file with a secret is refused by its name")
{
    const auto words = [](const std::string& path) -> std::string {
        try {
            read_secret_file(path);
            return {};
        } catch (const std::runtime_error& error) {
            return error.what();
        }
    };
    CHECK(words("/tmp/tunnel-test-none") ==
          "cannot read /tmp/tunnel-test-none: No such file or directory");
    CHECK(words("/tmp") == "cannot read /tmp: it is a folder");
    const TemporaryFile large(std::string(4097, 'x'));
    CHECK(words(large.path()).find("more than 4096 bytes") != std::string::npos);
    CHECK(words("/dev/zero").find("more than 4096 bytes") != std::string::npos);
    const TemporaryFile empty;
    CHECK(words(empty.path()).starts_with(empty.path() + ": there is no secret"));
}

TEST_CASE("a private file may be as large as its limit")
{
    const TemporaryFile file(std::string(100, 'x'));
    CHECK(read_private_file(file.path(), 100).view() == std::string(100, 'x'));
    CHECK_THROWS_AS(read_private_file(file.path(), 99), std::runtime_error);
}

TEST_CASE("a printed secret goes into a file that others cannot read")
{
    const TemporaryFile file({}, 0644);
    const int stdout_was = ::dup(STDOUT_FILENO);
    std::fflush(stdout);
    const int opened = ::open(file.path().c_str(), O_WRONLY | O_CLOEXEC);
    ::dup2(opened, STDOUT_FILENO);
    ::close(opened);
    const int code = print_secret();
    ::dup2(stdout_was, STDOUT_FILENO);
    ::close(stdout_was);
    CHECK(code == 0);

    struct stat status {};

    ::stat(file.path().c_str(), &status);
    CHECK((status.st_mode & 0777) == 0600);
    CHECK(read_private_file(file.path(), 100).view().size() == 44);
    CHECK_NOTHROW(read_secret_file(file.path()));
}
