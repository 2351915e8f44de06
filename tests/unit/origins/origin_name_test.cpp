#include <doctest/doctest.h>

#include "common/options/key_names.hpp"
#include "origin-proxy/options/host_name.hpp"
#include "remote-proxy/origins/origin_link.hpp"

using namespace tunnel;

TEST_CASE("an origin proxy is shown by its credential and its own name, as far as there are names")
{
    CHECK(OriginName("cellar", false, "web1").shown() == "cellar/web1");
    CHECK(OriginName("cellar", false, "").shown() == "cellar");
    CHECK(OriginName("origin", true, "web1").shown() == "web1");
    CHECK(OriginName("origin", true, "").shown() == "origin");
    CHECK(OriginName("", false, "web1").shown() == "web1");
    CHECK(OriginName("", false, "").shown() == "origin");
    CHECK(OriginName("cellar", false, "web1", 2).shown() == "cellar/web1#2");
}

TEST_CASE("an origin proxy answers to its name and to that of its credential, and to no other")
{
    const OriginName second("cellar", false, "web1", 2);
    for (const auto* const name : {"cellar", "cellar/web1", "cellar/web1#2"})
        CHECK(second.answers_to(name));
    for (const auto* const name : {"", "web1", "cellar/", "cellar/web", "cellar/web1#3", "attic"})
        CHECK_FALSE(second.answers_to(name));
    CHECK(OriginName("", false, "web1").answers_to("origin"));
}

TEST_CASE("runs of an origin proxy are alike, and nobody else is, whatever he calls himself")
{
    const OriginName one("cellar", false, "web1");
    CHECK(one.is_alike(OriginName("cellar", false, "web1", 7)));
    CHECK_FALSE(one.is_alike(OriginName("attic", false, "web1")));
    CHECK_FALSE(one.is_alike(OriginName("cellar", false, "web2")));
    CHECK_FALSE(one.is_alike(OriginName("cellar", false, "")));
}

TEST_CASE("a log-in with a name that could not stand in a log is refused")
{
    LogIn log_in;
    for (const std::string& name :
         {std::string("a b"), std::string("a/b"), std::string("x#2"), std::string("\n"),
          std::string(65, 'x'), std::string("\xff"), std::string(1, '\0')}) {
        CAPTURE(name);
        log_in.name = name;
        const auto reject = objection(log_in);
        REQUIRE(reject.has_value());
        CHECK(reject->reason == RejectReason::name);
        CHECK(reject->text.find("--name") != std::string::npos);
    }
    for (const std::string& name :
         {std::string(), std::string("web-1.example_x"), std::string(64, 'x')}) {
        log_in.name = name;
        CHECK(objection(log_in) == std::nullopt);
    }
}

TEST_CASE("a log-in with a name is the same without it for programs that do not know the field")
{
    LogIn log_in;
    log_in.name = "web1";
    std::string bytes = encode(log_in);
    const std::string field("\x17\x00\x04web1", 7);
    const std::size_t at = bytes.find(field);
    REQUIRE(at != std::string::npos);
    const auto read = [](const std::string& frame) {
        const auto* const body = reinterpret_cast<const std::uint8_t*>(frame.data()) + 3;
        return decode(static_cast<std::uint8_t>(frame[2]), {body, frame.size() - 3});
    };
    CHECK((read(bytes) == Frame(log_in)));
    bytes[at] = '\xc8'; // a field that nobody knows
    LogIn nameless;
    CHECK((read(bytes) == Frame(nameless)));
    CHECK(encode(nameless).find('\x17') == std::string::npos); // as older programs send it
}

TEST_CASE("the name of any machine becomes a plain name")
{
    CHECK(is_plain_name(host_name()));
    CHECK(plain_name_of("web1.example.com") == "web1.example.com");
    CHECK(plain_name_of("my laptop") == "my-laptop");
    CHECK(plain_name_of("b\xc3\xa4r") == "b--r");
    CHECK(plain_name_of(std::string(200, 'x')) == std::string(64, 'x'));
    CHECK(plain_name_of("").empty());
    CHECK(plain_name_of("\xe6\x97\xa5").empty());
}

TEST_CASE("visitors are in a group with those of the same run by the same secret alone")
{
    Identity one;
    one.name = "cellar";
    one.credential = random_bytes();
    const OriginId run{random_bytes()};
    const auto group = [&run](const Identity& identity) { return group_of(identity, run); };
    Identity same = one;
    same.own_name = "web2";
    CHECK(group(one) == group(same));
    Identity other = one;
    other.credential = random_bytes();
    CHECK(group(one) != group(other));
    Identity renamed = one;
    renamed.name = "attic";
    CHECK(group(one) != group(renamed));
    CHECK(group(one) != group_of(one, {random_bytes()}));
}
