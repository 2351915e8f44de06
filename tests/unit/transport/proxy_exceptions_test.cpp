// NO_PROXY, as curl reads it.
#include "common/transport/proxy_exceptions.hpp"

#include <doctest/doctest.h>

using namespace tunnel;

TEST_CASE("a name in NO_PROXY is reached without a proxy, and so are those below it")
{
    for (const char* const list : {"example.com", ".example.com", "*.example.com", "EXAMPLE.com.",
                                   "other, example.com", "other example.com", ",,example.com,"}) {
        CHECK_MESSAGE(is_proxy_exception(list, "example.com"), list);
        CHECK_MESSAGE(is_proxy_exception(list, "Example.com."), list);
        CHECK_MESSAGE(is_proxy_exception(list, "a.b.example.com"), list);
        CHECK_MESSAGE(!is_proxy_exception(list, "anexample.com"), list);
        CHECK_MESSAGE(!is_proxy_exception(list, "example.com.org"), list);
        CHECK_MESSAGE(!is_proxy_exception(list, "com"), list);
    }
}

TEST_CASE("NO_PROXY takes addresses and networks")
{
    CHECK(is_proxy_exception("192.0.2.1", "192.0.2.1"));
    CHECK_FALSE(is_proxy_exception("192.0.2.1", "192.0.2.10"));
    CHECK_FALSE(is_proxy_exception("2.1", "192.0.2.1"));
    CHECK(is_proxy_exception("10.0.0.0/8", "10.9.8.7"));
    CHECK(is_proxy_exception("10.1.2.3/8", "10.9.8.7"));
    CHECK_FALSE(is_proxy_exception("10.0.0.0/8", "11.0.0.1"));
    CHECK(is_proxy_exception("2001:db8::/32", "2001:db8:1::7"));
    CHECK(is_proxy_exception("[::1]", "::1"));
    CHECK(is_proxy_exception("fe80::/10", "fe80::1%eth0"));
    CHECK(is_proxy_exception("0.0.0.0/0", "192.0.2.1"));
    CHECK_FALSE(is_proxy_exception("0.0.0.0/0", "::1"));
    for (const char* const list : {"10.0.0.0/33", "10.0.0.0/", "10.0.0.0/8x", "10.0.0.0/-1", "/8",
                                   "::/129", "10.0.0/8", "/"})
        CHECK_MESSAGE(!is_proxy_exception(list, "10.0.0.1"), list);
    CHECK_FALSE(is_proxy_exception("10.0.0.0/8", "ten.example")); // no name is looked up
}

TEST_CASE("a star in NO_PROXY stands for everybody, and an empty list for nobody")
{
    CHECK(is_proxy_exception("*", "example.com"));
    CHECK(is_proxy_exception("a, *", "::1"));
    CHECK_FALSE(is_proxy_exception("", "example.com"));
    CHECK_FALSE(is_proxy_exception(" , ,", "example.com"));
    CHECK_FALSE(is_proxy_exception(".", "example.com"));
    CHECK(is_proxy_exception("localhost", "")); // ":9001" is this machine
}
