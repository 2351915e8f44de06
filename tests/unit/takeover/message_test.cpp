#include <doctest/doctest.h>

#include <random>

#include "common/takeover/message.hpp"

using namespace tunnel;
using namespace tunnel::takeover;

TEST_CASE("each message of a takeover is understood as it was meant")
{
    for (const Message& message : {
             Message(Hello{1, 3, "remote-proxy", "0.1.0"}),
             Message(Refused{"no \"words\"\n"}),
             Message(Sockets{{"control", "service web"}, false}),
             Message(Sockets{}),
             Message(Ready{}),
             Message(State{"{\"a\": 1}", true}),
             Message(Serving{}),
         }) {
        const auto back = decode(encode(message));
        REQUIRE(back.has_value());
        CHECK((*back == message));
    }
}

TEST_CASE("what later versions add to a message is skipped")
{
    const auto message = decode(R"({"kind": "ready", "of_later": [1, {"x": 2}]})");
    REQUIRE(message.has_value());
    CHECK(std::holds_alternative<Ready>(*message));
}

TEST_CASE("what is no message is none")
{
    for (
        const std::string_view text :
        {"", "{", "[]", "7", R"({"kind": 7})", R"({"kind": "none"})", R"({"kind": "hello"})",
         R"({"kind": "sockets", "uses": "control", "last": true})",
         R"({"kind": "hello", "lowest": "1", "highest": 1, "program": "", "program_version": ""})"})
        CHECK_FALSE(decode(text).has_value());
    CHECK_FALSE(decode(std::string(60'000, '[')).has_value());
    std::mt19937 random(7);
    const std::string good = encode(Hello{1, 1, "remote-proxy", "0.1.0"});
    for (int i = 0; i < 2000; ++i) {
        std::string changed = good;
        changed[random() % changed.size()] = static_cast<char>(random());
        decode(changed); // does not throw
    }
}

TEST_CASE("programs of other names and of versions without overlap cannot take over, in words")
{
    const Hello running{2, 3, "remote-proxy", "0.2.0"};
    CHECK(objection({1, 2, "remote-proxy", "0.1.0"}, running).empty());
    CHECK(objection({3, 9, "remote-proxy", "0.9.0"}, running).empty());
    CHECK(objection({2, 3, "origin-proxy", "0.2.0"}, running) ==
          "here runs remote-proxy, and origin-proxy cannot take it over");
    CHECK(objection({4, 5, "remote-proxy", "0.9.0"}, running) ==
          "remote-proxy 0.2.0 runs here and speaks the versions 2 to 3 of a takeover, 0.9.0 the "
          "versions 4 to 5: stop the one, and start the other");
    CHECK_FALSE(objection({1, 1, "remote-proxy", "0.1.0"}, running).empty());
    CHECK_FALSE(objection({3, 2, "remote-proxy", "0.1.0"}, running).empty());
}
