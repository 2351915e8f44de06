// Where visitors of a service come, as it is written.
#include <doctest/doctest.h>

#include <stdexcept>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "common/options/outside.hpp"

using namespace tunnel;

namespace {

using Hosts = std::vector<std::string>;

// The names that a text stands for.
PublicNames named(std::string_view text)
{
    const Outside outside = read_outside(text);
    CHECK_FALSE(outside.addresses);
    return outside.names;
}

// What `action` says against something.
template <class Action>
std::string objection_of(const Action& action)
{
    try {
        action();
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
    return "none";
}

std::string objection(std::string_view text)
{
    return objection_of([text] { read_outside(text); });
}

std::string objection(const OutsideKeys& keys)
{
    return objection_of([&keys] { keys.combined(); });
}

bool contains(const std::string& text, std::string_view part)
{
    return text.find(part) != std::string::npos;
}

Hosts some_hosts(std::size_t number)
{
    Hosts all;
    for (std::size_t i = 0; i < number; ++i)
        all.push_back(fmt::format("a{}.example", i));
    return all;
}

OutsideKeys with(std::string_view outside)
{
    OutsideKeys keys;
    keys.outside = read_outside(outside);
    return keys;
}

} // namespace

TEST_CASE("an address of its own is written with its kind or without")
{
    for (const auto* const text : {":9000", "tcp://:9000"}) {
        CAPTURE(text);
        const Outside outside = read_outside(text);
        REQUIRE(outside.addresses);
        CHECK(outside.addresses->first == Address{"", 9000});
        CHECK_FALSE(outside.addresses->is_range);
        CHECK_FALSE(outside.names.given());
    }
    CHECK(read_outside("[::1]:0").addresses->first == Address{"::1", 0});
    CHECK(read_outside("tcp://192.0.2.1:1").addresses->first == Address{"192.0.2.1", 1});
    CHECK(read_outside(":20000-20010").addresses->size == 11);
    CHECK(read_outside("tcp://:20000-20010").addresses->size == 11);
}

TEST_CASE("a name is written behind its kind")
{
    CHECK(
        (named("https://app.example.com") == PublicNames{ServiceKind::https, {"app.example.com"}}));
    CHECK((named("tls://db") == PublicNames{ServiceKind::tls, {"db"}}));
    CHECK((named("http://app") == PublicNames{ServiceKind::http, {"app"}}));
    CHECK((named("tls://*.example.com") == PublicNames{ServiceKind::tls, {"*.example.com"}}));
    CHECK((named("tls://*") == PublicNames{ServiceKind::tls, {"*"}}));
    CHECK((named("https://xn--bcher-kva.example") ==
           PublicNames{ServiceKind::https, {"xn--bcher-kva.example"}}));
}

TEST_CASE("a name stands in one form, however it is written")
{
    for (const auto* const text : {"https://App.Example.COM", "https://app.example.com.",
                                   "https://app.example.com/", "https://APP.example.com./"}) {
        CAPTURE(text);
        CHECK(named(text).hosts == Hosts{"app.example.com"});
    }
}

TEST_CASE("a kind alone asks for any label")
{
    CHECK((named("https://") == PublicNames{ServiceKind::https, {""}}));
    CHECK((named("tls://") == PublicNames{ServiceKind::tls, {""}}));
}

TEST_CASE("a path or a port behind a name is refused with what to do about it")
{
    for (const auto* const text :
         {"https://app/api", "https://app.example.com/a/b", "tls://a//", "https://app:8443/x"}) {
        CAPTURE(text);
        CHECK(contains(objection(text), "has a path, and a service has all paths of its name: "
                                        "leave out what follows the name"));
    }
    CHECK(objection("https://app:8443") == "\"app:8443\" has a port, and the remote proxy's "
                                           "--https-addr says which it is: leave it out");
    CHECK(contains(objection("tls://db.example:443/"), "--https-addr says which it is"));
    CHECK(contains(objection("http://app:80"), "--http-addr says which it is"));
}

TEST_CASE("what is no host name is refused with what to write instead")
{
    for (const auto* const text :
         {"https://192.0.2.1", "tls://[2001:db8::1]", "https://[::1]:443", "https://a..b",
          "https://-a", "https://a b", "https://user@app", "https://app?x=1", "tls://0x7f.1"}) {
        CAPTURE(text);
        CHECK(contains(objection(text), "is no host name: expected letters, digits and dashes"));
    }
    CHECK(contains(objection("https://b\xc3\xbc"
                             "cher.example"),
                   "is not in ASCII: write the name as it stands in the DNS, with xn--"));
    for (const auto* const text :
         {"https://a.*.example", "https://*a.example", "tls://a*", "https://**"}) {
        CAPTURE(text);
        CHECK(contains(objection(text), "the star stands for whole labels in front"));
    }
    CHECK(contains(objection("https://" + std::string(300, 'a')), "is longer than a host name"));
    CHECK_FALSE(contains(objection("https://a\nb"), "\n"));
    CHECK_FALSE(contains(objection("a\nb://c"), "\n"));
}

TEST_CASE("a kind that there is not is refused with those that there are")
{
    CHECK(objection("udp://:5353") == "\"udp\" is not yet there, expected tcp, tls, https or http");
    for (const auto* const text : {"ftp://a", "://a", "wss://a"}) {
        CAPTURE(text);
        CHECK(contains(objection(text), "is not tcp, tls, https or http"));
    }
}

TEST_CASE("tcp has a port and no name")
{
    for (const auto* const text :
         {"tcp://app", "tcp://", "tcp://*.example.com", "app", "", "https:app"})
        CHECK_MESSAGE(objection(text) != "none", text);
}

TEST_CASE("the keys of a table say together where visitors come")
{
    CHECK_FALSE(OutsideKeys().combined().names.given());
    OutsideKeys port = with(":80");
    CHECK(port.combined().addresses->first == Address{"", 80});
    port.kind = ServiceKind::tcp;
    CHECK(port.combined().addresses->first == Address{"", 80});

    OutsideKeys name = with("https://app");
    CHECK((name.combined().names == PublicNames{ServiceKind::https, {"app"}}));
    name.kind = ServiceKind::https;
    CHECK((name.combined().names == PublicNames{ServiceKind::https, {"app"}}));
    name.hosts = {"www"};
    CHECK((name.combined().names == PublicNames{ServiceKind::https, {"app", "www"}}));

    OutsideKeys apart;
    apart.kind = ServiceKind::tls;
    apart.hosts = {"a", "*.b"};
    CHECK((apart.combined().names == PublicNames{ServiceKind::tls, {"a", "*.b"}}));
    CHECK_FALSE(apart.combined().addresses);
}

TEST_CASE("keys that contradict each other are refused")
{
    OutsideKeys keys = with(":80");
    keys.kind = ServiceKind::tls;
    CHECK(objection(keys) == "has a port of its own and names: give outside or hosts");
    keys.kind.reset();
    keys.hosts = {"a"};
    CHECK(objection(keys) == "has a port of its own and names: give outside or hosts");

    keys = with("https://app");
    keys.kind = ServiceKind::tls;
    CHECK(objection(keys) == "is of the kind tls and outside says https: give one");
    keys.kind = ServiceKind::tcp;
    CHECK(objection(keys) == "is of the kind tcp and outside says https: give one");
    keys.kind.reset();
    keys.hosts = {"app"};
    CHECK(objection(keys) == "has the host app twice");

    keys = {};
    keys.hosts = {"a"};
    CHECK(contains(objection(keys), "has hosts and is of the kind tcp, expected kind = \"https\""));
    keys.hosts = {};
    keys.kind = ServiceKind::https;
    CHECK(objection(keys) == "is of the kind https and has no hosts, expected hosts = [\"NAME\"]");
}

TEST_CASE("a service has 16 hosts at most")
{
    OutsideKeys keys;
    keys.kind = ServiceKind::tls;
    keys.hosts = some_hosts(most_hosts);
    CHECK(keys.combined().names.hosts.size() == 16);
    keys.hosts = some_hosts(most_hosts + 1);
    CHECK(objection(keys) == "has 17 hosts, expected 16 at most");
    keys = with("tls://app");
    keys.hosts = some_hosts(most_hosts);
    CHECK(objection(keys) == "has 17 hosts, expected 16 at most");
}

TEST_CASE("what is wrong with names that came over the network is said as well")
{
    CHECK(contradiction({}) == "");
    CHECK(contradiction({ServiceKind::https, {""}}) == "");
    CHECK(contradiction({ServiceKind::https, {"", ""}}) == "has the host \"\" twice");
    CHECK(contradiction({static_cast<ServiceKind>(77), {}}) ==
          "is of the kind unknown and has no hosts, expected hosts = [\"NAME\"]");
}

TEST_CASE("of two keys that say the same one is given")
{
    OutsideKeys keys;
    const OptionList all = describe(keys);
    const auto take = [&all](std::string_view key, const std::string& text) {
        for (const Option& each : all) {
            if (each.name == key)
                each.value.read(text);
        }
    };
    take("outside-addr", "https://app");
    CHECK(objection_of([&] { take("outside", ":80"); }) ==
          "outside and outside-addr are the same: give one");
    CHECK((keys.combined().names == PublicNames{ServiceKind::https, {"app"}}));
}

TEST_CASE("names are shown as addresses of the web, with the port where that is not the usual one")
{
    const PublicNames two{ServiceKind::https, {"a.example", "*.b.example"}};
    CHECK(to_text(two, 443) == "https://a.example,https://*.b.example");
    CHECK(to_text(two, 8443) == "https://a.example:8443,https://*.b.example:8443");
    CHECK(to_text(two, 0) == "https://a.example,https://*.b.example");
    CHECK(to_text({ServiceKind::tls, {"a"}}, 443) == "tls://a");
    CHECK(to_text({ServiceKind::http, {"a"}}, 80) == "http://a");
    CHECK(to_text({ServiceKind::http, {"a"}}, 443) == "http://a:443");
    CHECK(to_text({}, 80) == "");
}

TEST_CASE("a name as it is shown is read as the same name")
{
    for (const PublicNames& names :
         {PublicNames{ServiceKind::https, {"a.example"}},
          PublicNames{ServiceKind::tls, {"*.a.example"}}, PublicNames{ServiceKind::tls, {"*"}},
          PublicNames{ServiceKind::http, {""}}})
        CHECK(named(to_text(names, 0)) == names);
}
