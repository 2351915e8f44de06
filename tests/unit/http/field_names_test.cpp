// Names of header fields, lists in their values, and hosts.
#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

#include "common/http/field_names.hpp"
#include "common/http/host_text.hpp"

using namespace tunnel;

TEST_CASE("a field is known by its name, whatever the case of its letters")
{
    CHECK(known_name("Content-Length") == KnownName{KnownField::content_length, false});
    CHECK(known_name("TRANSFER-encoding") == KnownName{KnownField::transfer_encoding, false});
    CHECK(known_name("te") == KnownName{KnownField::te, false});
    CHECK(known_name("Proxy-Authorization") == KnownName{KnownField::proxy_authorization, false});
    CHECK(known_name("x-forwarded-proto") == KnownName{KnownField::x_forwarded_proto, false});
    CHECK(known_name("X-Forwarded-Whatever-Comes") == KnownName{KnownField::x_forwarded, false});
    for (const char* name : {"", "t", "Accept", "Content-Lengt", "Content-Lengths", "ContentLength",
                             "X-Forwarded", "XForwarded-For", "Proxy-Authorizations"})
        CHECK(known_name(name) == KnownName{});
}

TEST_CASE("a name is misspelt when a program would take it for another one")
{
    CHECK(known_name("Content_Length") == KnownName{KnownField::content_length, true});
    CHECK(known_name("transfer.encoding") == KnownName{KnownField::transfer_encoding, true});
    CHECK(known_name("X-Forwarded_For") == KnownName{KnownField::x_forwarded_for, true});
    CHECK(known_name("X_Forwarded-A_b") == KnownName{KnownField::x_forwarded, true});
    CHECK(known_name("X-Forwarded-A_b") == KnownName{KnownField::x_forwarded, false});
    CHECK(known_name("Content1Length") == KnownName{});
}

TEST_CASE("a list is taken apart at its commas")
{
    std::vector<std::string_view> members;
    for (std::string_view list = "a , b\t,, c d ,"; !list.empty();)
        members.push_back(take_member(list));
    CHECK(members == std::vector<std::string_view>{"a", "b", "", "c d"});
    CHECK(has_member("a, B ,c", "b"));
    CHECK_FALSE(has_member("ab, bc", "b"));
    CHECK_FALSE(has_member("", "b"));
}

TEST_CASE("words are the same without the case of ASCII")
{
    CHECK(same_word("Keep-Alive", "keep-aLIVE"));
    CHECK_FALSE(same_word("a", "ab"));
    CHECK_FALSE(same_word("[", "{"));
    CHECK_FALSE(same_word("\xc4", "\xe4"));
}

TEST_CASE("a host is a name or an address, and may have a port")
{
    CHECK(parse_host_text("A.Example.:80") == HostText{"a.example", {}, 80});
    CHECK(parse_host_text("a") == HostText{"a", {}, 0});
    CHECK(parse_host_text("192.0.2.1:8080") == HostText{{}, "192.0.2.1", 8080});
    CHECK(parse_host_text("[2001:db8::1]") == HostText{{}, "2001:db8::1", 0});
    CHECK(parse_host_text("") == HostText{});
    CHECK_FALSE(parse_host_text("[" + std::string(100, ':') + "]"));
    CHECK_FALSE(parse_host_text(std::string("a\0b", 3)));
}
