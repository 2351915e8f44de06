#include <doctest/doctest.h>

#include <string>

#include "common/transport/host_name.hpp"
#include "common/transport/host_table.hpp"

using namespace tunnel;

TEST_CASE("host names are compared in lower case and without their final dot")
{
    CHECK(canonical_host_name("App.Example.COM") == "app.example.com");
    CHECK(canonical_host_name("app.example.com.") == "app.example.com");
    CHECK(canonical_host_name("xn--bcher-kva.example") == "xn--bcher-kva.example");
    CHECK(canonical_host_name("_acme.x-1.example") == "_acme.x-1.example");
    CHECK(canonical_host_name("localhost") == "localhost");
}

TEST_CASE("what is no host name is not taken for one")
{
    for (const std::string_view wrong : {"",
                                         ".",
                                         "..",
                                         "a..b",
                                         ".a",
                                         "a..",
                                         "-a.example",
                                         "a-.example",
                                         "a b",
                                         "a/b",
                                         "a:1",
                                         "192.0.2.1",
                                         "0x7f.0x1",
                                         "127.1",
                                         "::1",
                                         "[::1]",
                                         "b\xc3\xbc"
                                         "cher.example",
                                         "*.example",
                                         "a*.b",
                                         "a,b"})
        CHECK_MESSAGE(!canonical_host_name(wrong), std::string(wrong));
    using namespace std::string_view_literals;
    CHECK_FALSE(canonical_host_name("a\0b.example"sv));
}

TEST_CASE("a host name has 253 characters at most, and 63 in each label")
{
    const std::string label(63, 'a');
    const std::string longest = label + '.' + label + '.' + label + '.' + std::string(61, 'b');
    REQUIRE(longest.size() == longest_host_name);
    CHECK(canonical_host_name(longest) == longest);
    CHECK(canonical_host_name(longest + '.') == longest);
    CHECK_FALSE(canonical_host_name(longest + 'b'));
    CHECK_FALSE(canonical_host_name(label + "a.example"));
}

TEST_CASE("a star stands for whole labels in front, and nowhere else")
{
    CHECK(canonical_host_pattern("*.Example.com.") == "*.example.com");
    CHECK(canonical_host_pattern("*") == "*");
    CHECK(canonical_host_pattern("a.example") == "a.example");
    for (const std::string_view wrong :
         {"*.", "**", "*.*.example", "a.*.example", "*a.example", "*.192.0.2.1"})
        CHECK_MESSAGE(!canonical_host_pattern(wrong), std::string(wrong));
}

TEST_CASE("a right to a pattern is one to all names below it, but not to the name itself")
{
    CHECK(covers("*.example.com", "a.example.com"));
    CHECK(covers("*.example.com", "a.b.example.com"));
    CHECK(covers("*.example.com", "*.example.com"));
    CHECK(covers("*.example.com", "*.b.example.com"));
    CHECK_FALSE(covers("*.example.com", "example.com"));
    CHECK_FALSE(covers("*.example.com", "badexample.com"));
    CHECK_FALSE(covers("*.b.example.com", "*.example.com"));
    CHECK_FALSE(covers("*.example.com", "*"));
    CHECK_FALSE(covers("a.example.com", "*.example.com"));
    CHECK(covers("a.example.com", "a.example.com"));
    CHECK(covers("*", "*"));
    CHECK(covers("*", "a.example.com"));
}

TEST_CASE(
    "the most specific pattern wins: the name, then the longest one with a star, then the star")
{
    HostTable<int> table;
    CHECK(table.find("a.example.com") == nullptr);
    table.put("*", 1);
    table.put("*.com", 2);
    table.put("*.example.com", 3);
    table.put("a.example.com", 4);
    CHECK(*table.find("a.example.com") == 4);
    CHECK(*table.find("b.example.com") == 3);
    CHECK(*table.find("c.a.example.com") == 3);
    CHECK(*table.find("example.com") == 2);
    CHECK(*table.find("com") == 1);
    CHECK(*table.find("example.org") == 1);
    CHECK(*table.find("") == 1);
    table.remove("a.example.com");
    CHECK(*table.find("a.example.com") == 3);
    table.remove("*");
    CHECK(table.find("example.org") == nullptr);
    CHECK(table.find("") == nullptr);
}

TEST_CASE("what is wrong with a host is said with what to write instead")
{
    CHECK(objection_to_host("b\xc3\xbc"
                            "cher.example")
              .find("xn--") != std::string::npos);
    CHECK(objection_to_host("a.*.example").find("*.example.com") != std::string::npos);
    CHECK(objection_to_host(std::string(300, 'a')).find("longer") != std::string::npos);
    CHECK(objection_to_host("192.0.2.1").find("no host name") != std::string::npos);
}
