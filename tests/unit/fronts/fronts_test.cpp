// Addresses that services share, with listeners on loopback.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "remote-proxy/fronts/fronts.hpp"
#include "tests/unit/io.hpp"

using namespace tunnel;
using namespace tunnel::test;

namespace {

constexpr auto tcp_kind = ServiceKind::tcp;
constexpr auto tls = ServiceKind::tls;
constexpr auto https = ServiceKind::https;

using Hosts = std::vector<std::string>;

// A service, as the registry has it.
struct Entry {
    std::shared_ptr<RegisteredService> registered;
    ServicePointer service;

    // Its names are others.
    PublicNames rename(PublicNames names) const
    {
        return std::exchange(registered->options.names, std::move(names));
    }
};

struct House {
    Entry service(const std::string& name, ServiceKind kind = tcp_kind, Hosts hosts = {})
    {
        Entry made;
        RemoteService its{name, {}};
        its.names = {kind, std::move(hosts)};
        made.registered = std::make_shared<RegisteredService>(
            RegisteredService{++latest, std::move(its), loopback()});
        made.service = std::make_shared<PublicService>(made.registered);
        return made;
    }

    // One that shares an address of its own with other tunnels.
    Entry tunnel(const FrontPointer& front, const std::string& glob = "")
    {
        Entry made = glob.empty() ? service("all") : service(glob, tls, {glob});
        fronts.add(made.service, front);
        return made;
    }

    // One with names.
    Entry named(const std::string& name, Hosts hosts, ServiceKind kind = tls)
    {
        Entry made = service(name, kind, std::move(hosts));
        fronts.add(made.service, nullptr);
        return made;
    }

    FrontPointer stays(Front::Kind kind)
    {
        fronts.add(kind, Listener(io, loopback()));
        return fronts.all().back();
    }

    // Whether the kernel lets somebody connect.
    bool takes_visitors(const Front& front)
    {
        tcp::socket visitor(io);
        std::error_code error;
        visitor.connect(front.listener.endpoint(), error);
        CHECK((!error || error == asio::error::connection_refused));
        return !error;
    }

    // The service of a name at a front.
    static std::string found(const Front& front, std::string_view host)
    {
        const ServicePointer* const service = front.routes.find(host);
        return service == nullptr ? "" : (*service)->options.name;
    }

    asio::io_context io;
    RemoteOptions options;
    std::vector<FrontPointer> came;
    std::vector<FrontPointer> shut;
    std::uint64_t latest = 0;
    Fronts fronts{io, options, [this](const FrontPointer& front) { came.push_back(front); },
                  [this](const FrontPointer& front) {
                      CHECK(front->listener.is_open()); // still
                      shut.push_back(front);
                  }};
};

} // namespace

// ---- Addresses of their own

TEST_CASE("a service of its own has its address from its opening to its end")
{
    House house;
    const auto front = house.fronts.listen(loopback(), false);
    const auto web = house.service("web");
    CHECK(house.fronts.listeners() == 0); // nobody has it yet
    house.fronts.add(web.service, front);
    CHECK(house.fronts.listeners() == 1);
    CHECK(house.came == std::vector{front});
    CHECK_FALSE(house.takes_visitors(*front));
    CHECK_FALSE(house.fronts.is_open(*web.service));
    house.fronts.open(*web.service);
    CHECK(house.takes_visitors(*front));
    CHECK(house.fronts.is_open(*web.service));
    house.fronts.shut(*web.service, true);
    CHECK(house.shut == std::vector{front});
    CHECK_FALSE(house.takes_visitors(*front));
    house.fronts.shut(*web.service, true); // a second time it does nothing
    CHECK(house.shut.size() == 1);
    CHECK_THROWS_AS(house.fronts.listen(front->listener.endpoint(), false), std::system_error);
    house.fronts.close(*web.service);
    CHECK(front->retired);
    CHECK(house.fronts.listeners() == 0);
    const auto next = house.fronts.listen(front->listener.endpoint(), false); // it is free
    CHECK(next != front);
    house.fronts.close(*web.service); // a second time it does nothing
    CHECK_FALSE(next->retired);
}

TEST_CASE("an address that another program has is named")
{
    House house;
    const Listener other(house.io, loopback());
    const std::string port = std::to_string(other.endpoint().port());
    CHECK_THROWS_WITH_AS(house.fronts.listen(other.endpoint(), true),
                         doctest::Contains(port.c_str()), std::system_error);
    CHECK(house.fronts.listeners() == 0);
}

// ---- Tunnels that share one

TEST_CASE("tunnels at one address share it, and no other service does")
{
    House house;
    const auto front = house.fronts.listen(loopback(), true);
    const auto one = house.tunnel(front, "a.example");
    CHECK(house.fronts.listen(loopback(), true) == front);
    CHECK(house.fronts.listen(loopback(), false) != front);
    const auto other = house.tunnel(front, "*.example");
    CHECK(house.fronts.listeners() == 1);
    CHECK(house.came.size() == 1);
    CHECK(house.found(*front, "a.example") == "a.example");
    CHECK(house.found(*front, "b.example") == "*.example");
    CHECK(house.found(*front, "") == "");
}

TEST_CASE("a shared address opens with its first open service and shuts with the last one")
{
    House house;
    const auto front = house.fronts.listen(loopback(), true);
    const auto one = house.tunnel(front, "a.example");
    const auto other = house.tunnel(front);
    house.fronts.open(*one.service);
    CHECK(house.takes_visitors(*front));
    CHECK_FALSE(house.fronts.is_open(*other.service));
    house.fronts.open(*other.service);
    house.fronts.shut(*one.service, true);
    CHECK(house.takes_visitors(*front));
    CHECK_FALSE(house.fronts.is_open(*one.service));
    house.fronts.shut(*other.service, true);
    CHECK_FALSE(house.takes_visitors(*front));
    CHECK(house.shut.empty()); // whose visitors are waiting is not known before they are looked at
    house.fronts.open(*other.service);
    CHECK(house.takes_visitors(*front));
}

TEST_CASE("a shared address is given up with its last service, open or not")
{
    House house;
    const auto front = house.fronts.listen(loopback(), true);
    const auto one = house.tunnel(front, "a.example");
    const auto other = house.tunnel(front, "b.example");
    house.fronts.open(*one.service);
    house.fronts.close(*one.service);
    CHECK_FALSE(house.takes_visitors(*front)); // the other one is not open
    CHECK_FALSE(front->retired);
    CHECK(house.found(*front, "a.example") == "");
    house.fronts.open(*other.service);
    CHECK(house.takes_visitors(*front));
    house.fronts.close(*other.service);
    CHECK(front->retired);
    CHECK(front->listener.is_closed());
    CHECK(house.fronts.listeners() == 0);
    const auto next = house.fronts.listen(loopback(), true);
    CHECK(next != front); // that one takes nobody any more
    CHECK_FALSE(next->retired);
}

TEST_CASE("a front that nobody took is no obstacle for the next one")
{
    House house;
    auto front = house.fronts.listen(loopback(), true);
    const tcp::endpoint where = front->listener.endpoint();
    front.reset();
    CHECK(house.fronts.listen(where, true)->listener.endpoint() == where);
}

// ---- Whether visitors are looked at

TEST_CASE("visitors of a front with one service for all are not looked at")
{
    House house;
    const auto front = house.fronts.listen(loopback(), true);
    CHECK(front->only() == nullptr);
    const auto all = house.tunnel(front);
    REQUIRE(front->only() != nullptr);
    CHECK(*front->only() == all.service);
    const auto one = house.tunnel(front, "a.example");
    CHECK(front->only() == nullptr); // which of the two they want has to be seen
    house.fronts.close(*all.service);
    CHECK(front->only() == nullptr);
    const auto again = house.tunnel(front, "*");
    house.fronts.close(*one.service);
    REQUIRE(front->only() != nullptr);
    CHECK(*front->only() == again.service);
}

TEST_CASE("visitors of a front with a part of all names, or whose TLS ends here, are looked at")
{
    House house;
    const auto front = house.fronts.listen(loopback(), true);
    const auto some = house.tunnel(front, "*.example");
    CHECK(front->only() == nullptr);
    const auto shared = house.stays(Front::Kind::tls);
    house.named("web", {"*"}, https);
    CHECK(shared->only() == nullptr);
    CHECK(house.found(*shared, "a.example") == "web");
}

TEST_CASE("visitors of a port who speak HTTP are looked at")
{
    House house;
    const auto front = house.fronts.listen(loopback(), false);
    const auto web = house.service("web");
    web.registered->options.speaks_http = true;
    house.fronts.add(web.service, front);
    CHECK(front->only() == nullptr);
    CHECK(house.found(*front, "a.example") == "web");
}

// ---- Fronts that stay

TEST_CASE("a front that stays takes visitors without any service, until all are closed")
{
    House house;
    const auto front = house.stays(Front::Kind::tls);
    CHECK_FALSE(house.takes_visitors(*front));
    CHECK(house.came.empty());
    house.fronts.start();
    CHECK(house.came == std::vector{front});
    CHECK(house.takes_visitors(*front));
    CHECK(house.fronts.first(Front::Kind::tls) == front->listener.endpoint());
    CHECK_FALSE(house.fronts.first(Front::Kind::http));
    const auto web = house.named("web", {"a.example"});
    house.fronts.open(*web.service);
    CHECK(house.fronts.is_open(*web.service));
    house.fronts.shut(*web.service, true);
    CHECK_FALSE(house.fronts.is_open(*web.service));
    CHECK(house.shut.empty());
    CHECK(house.takes_visitors(*front));
    house.fronts.close(*web.service);
    CHECK(house.takes_visitors(*front));
    CHECK_FALSE(front->retired);
    CHECK(house.fronts.listeners() == 1);
    house.fronts.close_all();
    CHECK(front->listener.is_closed());
    CHECK_FALSE(house.takes_visitors(*front));
}

TEST_CASE("services with names are found at all fronts of their kind, and nowhere else")
{
    House house;
    const auto one = house.stays(Front::Kind::tls);
    const auto other = house.stays(Front::Kind::tls);
    const auto http = house.stays(Front::Kind::http);
    const auto own = house.fronts.listen(loopback(), false);
    house.fronts.add(house.service("port").service, own);
    const auto web = house.named("web", {"a.example", "*.b.example"}, https);
    const auto page = house.named("page", {"a.example"}, ServiceKind::http);
    for (const auto& front : {one, other}) {
        CHECK(house.found(*front, "a.example") == "web");
        CHECK(house.found(*front, "x.y.b.example") == "web");
        CHECK(house.found(*front, "b.example") == "");
    }
    CHECK(house.found(*http, "a.example") == "page");
    CHECK(house.found(*own, "a.example") == "port");
    CHECK(house.fronts.find_tls("a.example") == web.service.get());
    CHECK(house.fronts.find_tls("b.example") == nullptr);
    CHECK(house.fronts.find_http("a.example") == page.service.get());
    CHECK(house.fronts.find_http("x.b.example") == nullptr);
    house.fronts.close(*web.service);
    CHECK(house.found(*one, "a.example") == "");
    CHECK(house.found(*other, "x.b.example") == "");
    CHECK(house.found(*http, "a.example") == "page");
}

TEST_CASE("where no front stays nobody is found by name")
{
    House house;
    house.named("web", {"a.example"});
    CHECK(house.fronts.find_tls("a.example") == nullptr);
    CHECK(house.fronts.find_http("a.example") == nullptr);
}

TEST_CASE("a service whose names change is found by the new ones alone")
{
    House house;
    const auto front = house.stays(Front::Kind::tls);
    const auto web = house.named("web", {"a.example", "b.example"});
    house.fronts.open(*web.service);
    house.fronts.rename(web.service, web.rename({https, {"b.example", "c.example"}}));
    CHECK(house.found(*front, "a.example") == "");
    CHECK(house.found(*front, "b.example") == "web");
    CHECK(house.found(*front, "c.example") == "web");
    CHECK(house.fronts.is_open(*web.service));
}

TEST_CASE("two services may change names with each other")
{
    House house;
    const auto front = house.stays(Front::Kind::tls);
    const auto a = house.named("a", {"a.example"});
    const auto b = house.named("b", {"b.example"});
    house.fronts.rename(a.service, a.rename({tls, {"b.example"}}));
    house.fronts.rename(b.service, b.rename({tls, {"a.example"}}));
    CHECK(house.found(*front, "a.example") == "b");
    CHECK(house.found(*front, "b.example") == "a");
}

TEST_CASE("a service that goes takes no name with it that another one has by then")
{
    House house;
    const auto front = house.stays(Front::Kind::tls);
    const auto first = house.named("first", {"a.example", "b.example"});
    house.named("second", {"a.example"});
    house.fronts.close(*first.service);
    CHECK(house.found(*front, "a.example") == "second");
    CHECK(house.found(*front, "b.example") == "");
}
