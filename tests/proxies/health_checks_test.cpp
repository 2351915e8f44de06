// Health checks: the origin proxy with a remote proxy played by hand, and both proxies together.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <set>
#include <thread>

#include <fmt/format.h>

#include "common/transport/proxy_header.hpp"
#include "tests/support/proxies.hpp"
#include "tests/support/temporary_file.hpp"
#include "tests/support/trusted.hpp"
#include "tests/support/unix_server.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

ServerAddress address_of(const Server& server)
{
    return {"127.0.0.1", server.endpoint().port()};
}

HealthCheck often(HealthCheck::Kind kind)
{
    HealthCheck check;
    check.kind = kind;
    check.path = "/healthz";
    check.interval = 10ms;
    check.timeout = 5s;
    return check;
}

// Answers every connection with what is set, and nothing to those that say nothing.
class HttpServer {
public:
    HttpServer()
        : thread_([this] {
              while (!stopping_) {
                  if (!server_.pending_within(10ms))
                      continue;
                  Stream connection = server_.accept();
                  if (connection.readable_within(5s))
                      serve(connection);
              }
          })
    {
    }

    ~HttpServer()
    {
        stopping_ = true;
        thread_.join();
    }

    void answer(int status) { status_ = status; }

    ServerAddress address() const { return address_of(server_); }

private:
    void serve(Stream& connection) const
    {
        try {
            connection.send(
                fmt::format("HTTP/1.1 {} As told\r\nContent-Length: 0\r\n\r\n", status_.load()));
            connection.finish();
            connection.ending();             // closing with unread bytes would be a reset
        } catch (const std::system_error&) { // who asked has gone
        }
    }

    Server server_;
    std::atomic<int> status_ = 200;
    std::atomic<bool> stopping_ = false;
    std::thread thread_;
};

// The origin proxy, and its control connection.
struct Played {
    explicit Played(const std::vector<OriginService>& services,
                    std::vector<std::string> features = {std::string(tunnel::feature::services),
                                                         std::string(feature::health_checks)})
        : offered(services.size())
    {
        OriginOptions options = origin_options(remote.endpoint(), {});
        options.parked_connections = 0;
        options.services = services;
        welcome.version = 1;
        welcome.features = std::move(features);
        welcome.heartbeat_timeout = 10s;
        proxy.emplace(options, RemoteLink::OnReady());
    }

    // A control connection on which the services have been offered.
    Stream log_in()
    {
        Stream control = remote.accept();
        CHECK(control.receive(magic.size()) == magic_bytes());
        const auto said = control.receive_frame<LogIn>();
        CHECK(std::ranges::find(said.features, feature::health_checks) != said.features.end());
        control.send(welcome);
        for (std::size_t i = 0; i < offered; ++i)
            control.receive_frame<Offer>();
        return control;
    }

    // As its status has it, of the one service there is: an element for each remote proxy that it
    // is checked for.
    std::vector<bool> known_health()
    {
        std::vector<bool> known;
        proxy->on_its_thread([&](OriginProxy& origin) {
            const OriginStatus status = origin.status();
            for (const OriginStatus::Health& each : status.services.at(0).health)
                known.push_back(each.healthy);
            return true;
        });
        return known;
    }

    void change_services(const std::vector<OriginService>& wanted)
    {
        proxy->on_its_thread([&](OriginProxy& origin) {
            origin.change_services(wanted);
            return true;
        });
    }

    Server remote;
    std::size_t offered;
    Welcome welcome;
    std::optional<RunningOrigin> proxy;
};

OriginService web(ServerAddress server, HealthCheck check)
{
    OriginService service{"web", std::move(server)};
    service.rules.health_check = std::move(check);
    return service;
}

} // namespace

TEST_CASE("a server that takes no connection is told to be ill, and well once it does")
{
    std::optional<Server> server(std::in_place);
    const tcp::endpoint where = server->endpoint();
    server.reset();
    Played played({web({"127.0.0.1", where.port()}, often(HealthCheck::Kind::tcp))});
    Stream control = played.log_in();
    CHECK((control.receive_frame<ServerHealth>() ==
           ServerHealth{"web", ServerState::ill, "Connection refused"}));
    CHECK(played.known_health() == std::vector{false});
    server.emplace(where);
    CHECK((control.receive_frame<ServerHealth>() == ServerHealth{"web", ServerState::well, ""}));
    CHECK(played.known_health() == std::vector{true});
    control.reset();
    eventually([&] { return played.known_health().empty(); }); // it is checked no more
}

TEST_CASE("a server is ill that answers with an error, and well that shows the page")
{
    HttpServer server;
    server.answer(503);
    Played played({web(server.address(), often(HealthCheck::Kind::http))});
    Stream control = played.log_in();
    CHECK((control.receive_frame<ServerHealth>() ==
           ServerHealth{"web", ServerState::ill, "it answers 503"}));
    server.answer(302);
    CHECK((control.receive_frame<ServerHealth>() == ServerHealth{"web", ServerState::well, ""}));
}

TEST_CASE("a server is ill that says nothing in time, or something else than HTTP")
{
    Server server;
    HealthCheck check = often(HealthCheck::Kind::http);
    check.timeout = 50ms;
    check.failures = 1;
    Played played({web(address_of(server), check)});
    Stream control = played.log_in();
    Stream checked = server.accept();
    std::string why = "Connection timed out";
    SUBCASE("nothing") {}
    SUBCASE("something else")
    {
        checked.send("220 mail.example.com ESMTP\r\n");
        why = "its answer is no HTTP";
    }
    SUBCASE("only an end")
    {
        checked.finish();
        why = "closed by the peer";
    }
    SUBCASE("a head without end")
    {
        checked.send("HTTP/1.1 100 Continue\r\n" + std::string(10'000, 'x'));
        why = "its answer is no HTTP";
    }
    CHECK((control.receive_frame<ServerHealth>() == ServerHealth{"web", ServerState::ill, why}));
}

TEST_CASE("a check is a request for the page, behind the header that the server expects")
{
    UnixServer server;
    OriginService service = web(server.address(), often(HealthCheck::Kind::http));
    std::string header;
    SUBCASE("none") {}
    SUBCASE("of version 1")
    {
        service.rules.proxy_protocol = ProxyProtocol::v1;
        header = unknown_proxy_header_v1();
    }
    SUBCASE("of version 2")
    {
        service.rules.proxy_protocol = ProxyProtocol::v2;
        header = local_proxy_header_v2();
    }
    Played played({service});
    const Stream control = played.log_in();
    const std::string words = header + "GET /healthz HTTP/1.1\r\nHost: localhost\r\n";
    CHECK(server.accept().receive(words.size()) == words);
}

TEST_CASE("a remote proxy that does not know of health checks is not told, and nothing is checked")
{
    Server server;
    Played played({web(address_of(server), often(HealthCheck::Kind::tcp))},
                  {std::string(feature::services)});
    Stream control = played.log_in();
    CHECK_FALSE(server.pending_within(100ms)); // ten intervals
}

TEST_CASE("servers are checked only while the origin proxy is logged in, and told of again then")
{
    HttpServer server;
    server.answer(500);
    Played played({web(server.address(), often(HealthCheck::Kind::http))});
    const ServerHealth ill{"web", ServerState::ill, "it answers 500"};
    {
        Stream control = played.log_in();
        CHECK((control.receive_frame<ServerHealth>() == ill));
        control.reset();
    }
    Stream control = played.log_in();
    CHECK((control.receive_frame<ServerHealth>() == ill));
    server.answer(200);
    CHECK((control.receive_frame<ServerHealth>() == ServerHealth{"web", ServerState::well, ""}));
}

TEST_CASE("checks follow the services when these are changed")
{
    HttpServer server;
    server.answer(500);
    const OriginService checked = web(server.address(), often(HealthCheck::Kind::http));
    Played played({checked});
    Stream control = played.log_in();
    CHECK(control.receive_frame<ServerHealth>().state == ServerState::ill);
    SUBCASE("one without a check is taken to be well")
    {
        played.change_services({web(server.address(), {})});
        CHECK(control.receive_frame<ServerHealth>().state == ServerState::well);
    }
    SUBCASE("one with another server as well, until that one's checks have failed")
    {
        HttpServer other;
        other.answer(404);
        played.change_services({web(other.address(), often(HealthCheck::Kind::http))});
        CHECK(control.receive_frame<ServerHealth>().state == ServerState::well);
        CHECK((control.receive_frame<ServerHealth>() ==
               ServerHealth{"web", ServerState::ill, "it answers 404"}));
    }
    SUBCASE("one that stays as it is stays ill")
    {
        OriginService mail{"mail", server.address()};
        played.change_services({checked, mail});
        CHECK(control.receive_frame<Offer>().service == "mail");
        server.answer(200);
        CHECK(control.receive_frame<ServerHealth>().state == ServerState::well);
    }
    SUBCASE("one that is withdrawn is no more told of")
    {
        played.change_services({});
        CHECK(std::holds_alternative<Withdraw>(control.receive_frame()));
        server.answer(200);
        played.change_services({checked});
        CHECK(control.receive_frame<Offer>().service == "web");
    }
}

TEST_CASE("more checks than descriptors wait for each other, and none is forgotten")
{
    std::vector<OriginService> all;
    HttpServer server;
    server.answer(500);
    for (int i = 0; i < 200; ++i) {
        OriginService service = web(server.address(), often(HealthCheck::Kind::http));
        service.name = fmt::format("s{}", i);
        service.rules.health_check.failures = 1;
        all.push_back(std::move(service));
    }
    Played played(all);
    Stream control = played.log_in();
    std::set<std::string> told;
    while (told.size() < all.size())
        CHECK(told.insert(control.receive_frame<ServerHealth>().service).second);
}

namespace {

// Both proxies: two origin proxies, each with a server that says its name.
struct Two {
    struct Named {
        Named(const RunningRemote& remote, const std::string& secret)
        {
            OriginOptions options = origin_options(remote.proxy().control_endpoint(), {});
            options.trust.secret = parse_secret(secret, "");
            options.services = {web(server.address(), often(HealthCheck::Kind::http))};
            proxy.emplace(options, RemoteLink::OnReady());
        }

        HttpServer server;
        std::optional<RunningOrigin> proxy;
    };

    // The status that the next visitor gets.
    std::string status() const
    {
        Stream visitor = Stream::connect(outside);
        visitor.send("GET / HTTP/1.1\r\n\r\n");
        visitor.finish();
        return visitor.receive(12).substr(9);
    }

    std::string roof_secret = generate_secret();
    std::string cellar_secret = generate_secret();
    TemporaryFile file{
        fmt::format("[origins.roof]\nsecret = \"{}\"\n[origins.cellar]\nsecret = \"{}\"\n",
                    roof_secret, cellar_secret)};
    RemoteOptions options = [this] {
        RemoteOptions all = remote_options();
        all.trust.secrets_file = file.path();
        all.outside_address = std::nullopt;
        all.services = {{"web", {"127.0.0.1", 0}}};
        all.services[0].balance = Balance::round_robin;
        return all;
    }();
    RunningRemote remote{options};
    tcp::endpoint outside = remote.on_its_thread([](RemoteProxy& proxy) {
        return numeric_endpoint(proxy.outside_addresses().front().second);
    });
    Named roof{remote, roof_secret};
    Named cellar{remote, cellar_secret};
};

} // namespace

TEST_CASE("visitors go to the server that is well, back to both when both are, and never nowhere")
{
    Two two;
    const auto all_of = [&two](const std::set<std::string>& expected) { // serve, in turn
        std::set<std::string> seen;
        for (int i = 0; i < 4; ++i)
            seen.insert(two.status());
        return seen == expected;
    };
    two.roof.server.answer(201);
    two.cellar.server.answer(202);
    REQUIRE(eventually([&] {
        try {
            return all_of({"201", "202"});
        } catch (const std::exception&) { // nobody is logged in yet
            return false;
        }
    }));
    two.cellar.server.answer(502);
    // Not one more once it is known, and it stays so.
    REQUIRE(eventually([&] { return all_of({"201"}); }));
    for (int i = 0; i < 50; ++i)
        CHECK(two.status() == "201");
    two.roof.server.answer(501); // both are ill: better than nobody
    REQUIRE(eventually([&] { return all_of({"501", "502"}); }));
    two.cellar.server.answer(202);
    two.roof.server.answer(201);
    REQUIRE(eventually([&] { return all_of({"201", "202"}); }));
}
