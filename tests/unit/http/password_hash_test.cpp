#include <doctest/doctest.h>

#include "remote-proxy/http/password_hash.hpp"
#include "tests/unit/http/hashes.hpp"

using namespace tunnel;
using namespace tunnel::test;

namespace {

PasswordIs check(std::string password, const std::string& hash)
{
    PrivateText text(std::move(password));
    return check_password(text, hash);
}

} // namespace

TEST_CASE("a password is right for each kind of hash that logins take, and others are wrong")
{
    for (const std::string& hash : open_sesames) {
        CHECK(check("open sesame", hash) == PasswordIs::right);
        CHECK(check("open sesame ", hash) == PasswordIs::wrong);
        CHECK(check("Open sesame", hash) == PasswordIs::wrong);
        CHECK(check("", hash) == PasswordIs::wrong);
        CHECK(check(std::string(380, 'x'), hash) == PasswordIs::wrong);
    }
}

TEST_CASE("what htpasswd has written is understood")
{
    CHECK(check("p\u00e4ssw\u00f6rd",
                "$2y$04$iAdgPlouMhrTwVG99QuIi.CVzTt1/gmxdUlJ/l0kemz1Ei.JvCXm6") ==
          PasswordIs::right);
}

TEST_CASE("a hash that cannot be computed is neither right nor wrong")
{
    CHECK(check("x", "*0") == PasswordIs::unknown);
    CHECK(check("x", "$2y$99$abcdefghijklmnopqrstuu") == PasswordIs::unknown);
    CHECK(check(std::string(600, 'x'), open_sesame) == PasswordIs::unknown);
}
