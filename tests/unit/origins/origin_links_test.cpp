#include <doctest/doctest.h>

#include <deque>

#include "remote-proxy/origins/origin_links.hpp"
#include "tests/unit/io.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

// Origin proxies that have logged in, each with a session.
struct LoggedIn {
    OriginLink& come(const std::string& credential, const std::string& own_name)
    {
        SocketPair pair(io);
        Identity identity;
        identity.name = credential;
        identity.own_name = own_name;
        OriginLink& link =
            here.emplace_back(std::move(pair.here), ControlConnection::Heartbeats{1min, 1min},
                              OriginId{random_bytes()}, identity, IdleRoom(1));
        link.session = SessionId{random_bytes()};
        links.add(link);
        return link;
    }

    asio::io_context io;
    std::deque<OriginLink> here;
    OriginLinks links;
};

} // namespace

TEST_CASE("an origin proxy is found by its number, its session and its run")
{
    LoggedIn all;
    OriginLink& roof = all.come("roof", "");
    OriginLink& cellar = all.come("cellar", "");
    CHECK(all.links.find(cellar.number) == &cellar);
    CHECK(all.links.find(*roof.session) == &roof);
    CHECK(all.links.find(roof.origin, *roof.name) == &roof);
    CHECK(all.links.find(roof.origin, *cellar.name) == nullptr);
    CHECK(all.links.find(cellar.number + 1) == nullptr);
    CHECK(all.links.contains(&roof));
}

TEST_CASE("an origin proxy is found by its number in whatever order they were added")
{
    asio::io_context io;
    std::deque<OriginLink> here;
    for (int i = 0; i < 3; ++i) {
        SocketPair pair(io);
        here.emplace_back(std::move(pair.here), ControlConnection::Heartbeats{1min, 1min},
                          OriginId{random_bytes()}, Identity(), IdleRoom(1));
    }
    OriginLinks links;
    for (const std::size_t i : {2, 0, 1})
        links.add(here[i]);
    links.remove(here[0]);
    CHECK(links.find(here[0].number) == nullptr);
    CHECK(links.find(here[1].number) == &here[1]);
    CHECK(links.find(here[2].number) == &here[2]);
}

TEST_CASE("all of a credential are found by its name, and one by its own name as well")
{
    LoggedIn all;
    OriginLink& first = all.come("office", "web1");
    OriginLink& second = all.come("office", "web2");
    all.come("roof", "");
    CHECK(all.links.named("office") == std::vector{&first, &second});
    CHECK(all.links.named("office/web2") == std::vector{&second});
    CHECK(all.links.has_named("roof"));
    CHECK_FALSE(all.links.has_named("cellar"));
    CHECK(all.links.with_credential("office") == 2);
    CHECK(all.links.alike(*second.name) == std::vector{&second});
}

TEST_CASE("the last sessions that have ended are remembered, and no origin proxy is found by them")
{
    LoggedIn all;
    std::vector<SessionId> ended;
    for (int i = 0; i < 9; ++i) {
        OriginLink& link = all.come("roof", "");
        CHECK_FALSE(all.links.was_session(*link.session));
        ended.push_back(*link.session);
        all.links.remove(link);
    }
    CHECK(all.links.empty());
    CHECK(all.links.find(ended.back()) == nullptr);
    CHECK_FALSE(all.links.was_session(ended.front()));
    for (std::size_t i = 1; i < ended.size(); ++i)
        CHECK(all.links.was_session(ended[i]));
}
