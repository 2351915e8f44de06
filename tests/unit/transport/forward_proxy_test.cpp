// Proxies that lead out, as people write them.
#include "common/transport/forward_proxy.hpp"

#include <stdexcept>

#include <doctest/doctest.h>

using namespace tunnel;

namespace {

using Kind = ForwardProxy::Kind;

// What is wrong with it; empty: nothing.
std::string objection(std::string_view text)
{
    try {
        read_forward_proxy(text);
        return {};
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
}

} // namespace

TEST_CASE("a proxy is a URL with a kind, perhaps a login, a host and a port")
{
    CHECK((read_forward_proxy("http://proxy.example:3128") ==
           ForwardProxy{Kind::http, {"proxy.example", 3128}}));
    CHECK((read_forward_proxy("HTTP://192.0.2.1:8080/") ==
           ForwardProxy{Kind::http, {"192.0.2.1", 8080}}));
    CHECK((read_forward_proxy("socks5://ann@[2001:db8::1]:1081") ==
           ForwardProxy{Kind::socks5, {"2001:db8::1", 1081}, "ann"}));
    CHECK((read_forward_proxy("socks5h://ann:pw@proxy") ==
           ForwardProxy{Kind::socks5, {"proxy", 1080}, "ann", "pw"}));
    CHECK((read_forward_proxy("socks5://[::1]") == ForwardProxy{Kind::socks5, {"::1", 1080}}));
    CHECK((read_forward_proxy("proxy:3128") == ForwardProxy{Kind::http, {"proxy", 3128}}));
}

TEST_CASE("a login may have any character, the odd ones as %XX")
{
    const ForwardProxy proxy = read_forward_proxy("http://a%40b:p%3Aw%2f@1@proxy:3128");
    CHECK(proxy.user == "a@b");
    CHECK(proxy.password == "p:w/@1");
    CHECK(proxy.address.host == "proxy");
    CHECK(read_forward_proxy("http://ann:@proxy:3128").password.empty());
}

TEST_CASE("what is wrong with a proxy is said without its password")
{
    CHECK(objection("http://proxy").find("has no port") != std::string::npos);
    CHECK(objection("https://proxy:443").find("TLS to the proxy itself") != std::string::npos);
    CHECK(objection("socks4://proxy:1080").find("\"socks4://\" is not a kind") == 0);
    CHECK(objection("http://ann%:x@proxy:3128").find("%25 for the sign") != std::string::npos);
    CHECK(objection("http://:x@proxy:3128").find("no user") != std::string::npos);
    CHECK(objection("http://a%3Ab:x@proxy:3128").find("colon") != std::string::npos);
    CHECK(objection("http://a%0Ab:x@proxy:3128").find("control character") != std::string::npos);
    CHECK(objection("http://ann:a%0Ab@proxy:3128").find("control character") != std::string::npos);
    CHECK(objection("http://ann:***@proxy:3128").find("masked") != std::string::npos);
    CHECK(objection("http://" + std::string(256, 'a') + "@proxy:3128").find("more than 255") !=
          std::string::npos);
    CHECK(objection("http://ann:" + std::string(256, 'a') + "@proxy:3128").find("more than 255") !=
          std::string::npos);
    for (const char* const text :
         {"http://ann:hidden@", "http://ann:hidden@:3128", "http://ann:hidden@proxy:0",
          "http://ann:hidden@pro xy:1", "http://ann:hidden@proxy:70000", "ann:hidden@proxy",
          "http://ann:hidden@proxy:1/path", "https://ann:hidden@proxy:1",
          "http://ann:hidden@[::1:3128", "socks5://ann:hidden@", "ftp://ann:hidden@proxy:1"}) {
        const std::string why = objection(text);
        CHECK_MESSAGE(!why.empty(), text);
        CHECK_MESSAGE(why.find("hidden") == std::string::npos, why);
    }
    CHECK_FALSE(objection("").empty());
    CHECK_FALSE(objection("socks5://").empty());
}

TEST_CASE("a proxy is shown without its password")
{
    CHECK(to_string(read_forward_proxy("http://ann:pw@[::1]:3128/")) == "http://ann@[::1]:3128");
    CHECK(to_string(read_forward_proxy("socks5h://proxy")) == "socks5://proxy:1080");
    CHECK(mask_password("http://ann:pw@proxy:3128") == "http://ann:***@proxy:3128");
    CHECK(mask_password("http://ann:p/w@x@proxy:3128") == "http://ann:***@proxy:3128");
    CHECK(mask_password("ann:pw@proxy:3128") == "ann:***@proxy:3128");
    CHECK(mask_password("http://ann@proxy:3128") == "http://ann@proxy:3128");
    CHECK(mask_password("off") == "off");
    CHECK(has_password("http://ann:pw@proxy:3128"));
    CHECK(has_password("http://ann:@proxy:3128"));
    CHECK_FALSE(has_password("http://ann@proxy:3128"));
    CHECK_FALSE(has_password("http://[::1]:3128"));
}
