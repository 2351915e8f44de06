#include <doctest/doctest.h>

#include "common/security/session.hpp"
#include "tests/support/hex.hpp"

using namespace tunnel;
using namespace tunnel::test;

namespace {

const Credential credential = parse_secret("0123456789abcdef0123456789abcdef", "here");
const SessionId session{random_bytes()};

} // namespace

TEST_CASE("a control connection's identity is understood as that of its secret, and as no other's")
{
    const PresharedKey key = control_key(credential);
    CHECK(key.key.bytes == credential.tls.bytes);
    const auto parsed = parse_control_identity(key.identity);
    REQUIRE(parsed);
    CHECK(parsed->credential == credential.id);
    CHECK_FALSE(parse_data_identity(key.identity));
}

TEST_CASE("a data connection's identity is understood as that of its session and of it alone")
{
    const RandomBytes once = random_bytes();
    const PresharedKey key = data_key(session, credential.tls, once);
    const auto parsed = parse_data_identity(key.identity);
    REQUIRE(parsed);
    CHECK(parsed->session == session);
    CHECK(parsed->once == once);
    CHECK_FALSE(parse_control_identity(key.identity));
}

TEST_CASE("an identity that is cut, too long or of another kind is nobody's")
{
    const std::string control = control_key(credential).identity;
    const std::string data = data_key(session, credential.tls, random_bytes()).identity;
    for (std::size_t size = 0; size < data.size(); ++size) {
        const std::string_view cut = std::string_view(data).substr(0, size);
        CHECK_FALSE(parse_data_identity(cut));
        CHECK_FALSE(parse_control_identity(cut));
    }
    for (std::size_t size = 0; size < control.size(); ++size)
        CHECK_FALSE(parse_control_identity(std::string_view(control).substr(0, size)));
    CHECK_FALSE(parse_control_identity(control + "x"));
    CHECK_FALSE(parse_data_identity(data + "x"));
    for (int first = 0; first < 256; ++first) {
        std::string changed = control;
        changed.front() = static_cast<char>(first);
        CHECK(parse_control_identity(changed).has_value() == (first == 'c'));
        changed = data;
        changed.front() = static_cast<char>(first);
        CHECK(parse_data_identity(changed).has_value() == (first == 'd'));
    }
}

TEST_CASE("every data connection has a key of its own, out of its session's key")
{
    const RandomBytes once = random_bytes();
    const RandomBytes another = random_bytes();
    const Key& key = credential.log_in;
    CHECK(data_key(session, key, once).key.bytes == data_key(session, key, once).key.bytes);
    CHECK(data_key(session, key, once).key.bytes != data_key(session, key, another).key.bytes);
    CHECK(data_key(session, key, once).key.bytes !=
          data_key(session, credential.tls, once).key.bytes);
    CHECK(data_key(session, key, once).key.bytes != key.bytes);
}
