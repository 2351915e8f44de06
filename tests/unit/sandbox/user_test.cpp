#include <doctest/doctest.h>

#include <stdexcept>
#include <string>

#include <unistd.h>

#include "common/sandbox/user.hpp"

using namespace tunnel;

TEST_CASE("a user is a name or a number, with a group or without")
{
    CHECK(parse_user_name("nobody")->user == "nobody");
    CHECK(parse_user_name("nobody")->group.empty());
    CHECK(parse_user_name("65534:65533")->user == "65534");
    CHECK(parse_user_name("65534:65533")->group == "65533");
    for (const char* const wrong : {"", ":", "a:", ":a", "a:b:c", "a b", "a\n"})
        CHECK_FALSE(parse_user_name(wrong));
}

TEST_CASE("a user is found by its name and by its number, with its groups")
{
    const User by_name = find_user({"nobody"});
    CHECK(by_name.user == find_user({"65534"}).user);
    CHECK(by_name.groups.size() >= 1);
    const User with_group = find_user({"nobody", "root"});
    CHECK(with_group.group == 0);
    CHECK(with_group.groups == std::vector<gid_t>{0});
    CHECK(find_user({"123456", "234567"}).group == 234567);
}

TEST_CASE("a user or a group that is not there is an error that says so")
{
    for (const UserName& wrong : {UserName{"no-such-user"}, UserName{"nobody", "no-such-group"},
                                  UserName{"123456"}, UserName{"no-such-user", "root"}})
        CHECK_THROWS_WITH_AS(find_user(wrong), doctest::Contains("there is no such"),
                             const std::runtime_error&);
}

TEST_CASE("only root can become another user, and root is no other")
{
    CHECK(objection_to_becoming({0, 0, {0}}).find("giving up") != std::string::npos);
    const std::string objection = objection_to_becoming(find_user({"nobody"}));
    CHECK((::geteuid() == 0 ? objection.empty()
                            : objection.find("start as root") != std::string::npos));
}
