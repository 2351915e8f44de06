// SOCKS5 as a client speaks it.
#include "common/transport/socks5.hpp"

#include <functional>
#include <random>

#include <doctest/doctest.h>

using namespace std::string_literals;
using namespace tunnel;

namespace {

using Is = ProxyAnswer::Is;

const ForwardProxy without_login{ForwardProxy::Kind::socks5, {"proxy", 1080}};
const ForwardProxy with_login{ForwardProxy::Kind::socks5, {"proxy", 1080}, "ann", "word"};

// Each part of the answer is incomplete, and what follows it does not matter.
void check_agreed(const std::function<ProxyAnswer(std::string_view)>& read,
                  const std::string& answer, Is agreed = Is::agreed)
{
    for (std::size_t size = 0; size < answer.size(); ++size)
        CHECK(read(std::string_view(answer).substr(0, size)).is == Is::incomplete);
    CHECK((read(answer) == ProxyAnswer{agreed, answer.size()}));
    CHECK((read(answer + "SSH-2.0") == ProxyAnswer{agreed, answer.size()}));
}

ProxyAnswer method(std::string_view bytes)
{
    return socks5::read_method(bytes, without_login);
}

ProxyAnswer method_with_login(std::string_view bytes)
{
    return socks5::read_method(bytes, with_login);
}

} // namespace

TEST_CASE("what a client sends has the form of RFC 1928 and 1929")
{
    CHECK(socks5::greeting(without_login) == "\5\1\0"s);
    CHECK(socks5::greeting(with_login) == "\5\2\0\2"s);
    CHECK(socks5::login(with_login) == "\1\3ann\4word"s);
    CHECK(socks5::connect_request({"example.com", 9001}) ==
          "\5\1\0\3\x0b"s + "example.com\x23\x29");
    CHECK(socks5::connect_request({"192.0.2.1", 443}) == "\5\1\0\1\xc0\0\2\1\1\xbb"s);
    CHECK(socks5::connect_request({"2001:db8::1", 80}) ==
          "\5\1\0\4\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1\0\x50"s);
    CHECK(socks5::connect_request({"fe80::1%eth0", 80}) ==
          "\5\1\0\4\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\x50"s);
    CHECK(socks5::connect_request({"", 9001}) == "\5\1\0\3\x09"s + "localhost\x23\x29");
    const ForwardProxy longest{
        ForwardProxy::Kind::socks5, {"proxy", 1080}, std::string(255, 'u'), std::string(255, 'p')};
    CHECK(socks5::login(longest).size() == 1 + 256 + 256);
}

TEST_CASE("a proxy chooses one of the logins that were offered")
{
    check_agreed(method, "\5\0"s);
    check_agreed(method_with_login, "\5\0"s);
    check_agreed(method_with_login, "\5\2"s, Is::wants_login);
    CHECK(method("\5\xff").is == Is::login_refused);
    CHECK(method("\5\xff").text == "it wants a login");
    CHECK(method_with_login("\5\xff").is == Is::login_refused);
    CHECK(method("\5\2").is == Is::wrong); // was not offered
    CHECK(method_with_login("\5\1").is == Is::wrong);
    CHECK(method("\4").is == Is::wrong);
    CHECK(method("HTTP/1.1 400 Bad Request").text.find("expected http://") != std::string::npos);
}

TEST_CASE("a proxy takes the login or refuses it")
{
    check_agreed(socks5::read_login_answer, "\1\0"s);
    CHECK(socks5::read_login_answer("\1\1").is == Is::login_refused);
    CHECK(socks5::read_login_answer("\1\xff").is == Is::login_refused);
    CHECK(socks5::read_login_answer("\5\0"s).is == Is::wrong);
}

TEST_CASE("a reply ends with the last byte of its address, whatever kind that has")
{
    check_agreed(socks5::read_reply, "\5\0\0\1\x7f\0\0\1\x1f\x90"s);
    check_agreed(socks5::read_reply, "\5\0\0\4"s + std::string(16, '\0') + "\x1f\x90");
    check_agreed(socks5::read_reply, "\5\0\0\3\5proxy\x1f\x90"s);
    check_agreed(socks5::read_reply, "\5\0\0\3\0\x1f\x90"s);
    const std::string longest = "\5\0\0\3\xff"s + std::string(255, 'a') + "\x1f\x90";
    CHECK(longest.size() == socks5::largest_answer);
    check_agreed(socks5::read_reply, longest);
    CHECK(socks5::read_reply("\5\0\0\2\0"s).is == Is::wrong);
    CHECK(socks5::read_reply("\4\0"s).is == Is::wrong);
}

TEST_CASE("a refusal is told in words as soon as it is there")
{
    CHECK(socks5::read_reply("\5\2"s) ==
          ProxyAnswer{Is::refused, 0, "it answers: not allowed by its rules"});
    CHECK(socks5::read_reply("\5\5\0\1"s).text == "it answers: connection refused");
    CHECK(socks5::read_reply("\5\xc8"s).text == "it answers with failure 200");
    for (char reply = 1; reply <= 8; ++reply)
        CHECK(socks5::read_reply("\5"s + reply).is == Is::refused);
}

TEST_CASE("whatever a proxy answers, no answer is waited for beyond its size")
{
    std::mt19937 random(7);
    for (int i = 0; i < 2000; ++i) {
        std::string bytes(socks5::largest_answer, '\0');
        for (char& c : bytes)
            c = static_cast<char>(random());
        if (i % 2 == 0)
            bytes.replace(0, 3, "\5\0\0"s);
        for (const auto& answer : {method(bytes), method_with_login(bytes),
                                   socks5::read_login_answer(bytes), socks5::read_reply(bytes)}) {
            CHECK(answer.is != Is::incomplete);
            CHECK(answer.size <= bytes.size());
        }
    }
}
