// The origin proxy behind a proxy that leads out, which is played by hand, as the remote proxy
// behind that is: what passes between them is one connection.
#include <doctest/doctest.h>

#include "common/transport/socks5.hpp"
#include "tests/support/proxies.hpp"

using namespace std::chrono_literals;
using namespace std::string_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

const std::string agreed = "HTTP/1.1 200 Connection established\r\n\r\n";
const std::string question =
    "CONNECT remote.example:9001 HTTP/1.1\r\nHost: remote.example:9001\r\n\r\n";

ForwardProxy proxy_at(const Server& server, ForwardProxy::Kind kind = ForwardProxy::Kind::http)
{
    return {kind, {"127.0.0.1", server.endpoint().port()}};
}

struct Played {
    explicit Played(const std::function<void(OriginOptions&)>& change = {})
    {
        options = origin_options(loopback_port_1, origin_server.endpoint());
        options.remote_proxies = {{{"remote.example", 9001}}};
        options.connect_through.way = ConnectThrough::Way::proxy;
        options.connect_through.proxy = proxy_at(way_out);
        if (change)
            change(options);
        origin.emplace(options, nullptr);
    }

    // A connection for which the proxy was asked by HTTP, with nothing answered yet.
    static Stream asked(Server& proxy)
    {
        Stream connection = proxy.accept();
        CHECK(connection.receive(question.size()) == question);
        return connection;
    }

    static void log_in(Stream& control)
    {
        CHECK(control.receive(magic.size()) == magic_bytes());
        control.receive_frame<LogIn>();
    }

    static Welcome welcome()
    {
        Welcome welcome;
        welcome.version = 1;
        welcome.outside_address = "192.0.2.1:80";
        welcome.heartbeat_timeout = 10s;
        return welcome;
    }

    Stream logged_in(Server& proxy)
    {
        Stream control = asked(proxy);
        control.send(agreed);
        log_in(control);
        control.send(welcome());
        CHECK(eventually([&] { return is_logged_in(); }));
        return control;
    }

    bool is_logged_in()
    {
        return origin->on_its_thread([](OriginProxy& proxy) { return proxy.logged_in(); });
    }

    std::string through()
    {
        return origin->on_its_thread(
            [](OriginProxy& proxy) { return proxy.status().links.at(0).through; });
    }

    std::size_t visitors()
    {
        return origin->on_its_thread([](OriginProxy& proxy) { return proxy.visitors(); });
    }

    void reload()
    {
        origin->on_its_thread([this](OriginProxy& proxy) {
            proxy.reload(options);
            return true;
        });
    }

    const tcp::endpoint loopback_port_1{asio::ip::address_v4::loopback(), 1};
    Server way_out;
    Server origin_server;
    OriginOptions options;
    std::optional<RunningOrigin> origin;
};

} // namespace

TEST_CASE("control and data connections go through the proxy, origin servers are reached directly")
{
    Played played;
    Stream control = played.logged_in(played.way_out);
    CHECK(played.through() == to_string(played.options.connect_through.proxy));
    const Announce announce = announcement();
    control.send(announce);
    Stream data = Played::asked(played.way_out);
    data.send(agreed);
    CHECK(data.receive(magic.size()) == magic_bytes());
    CHECK((data.receive_frame<DialBack>().ticket == announce.ticket));
    CHECK((data.receive_frame<Start>() == Start()));
    Stream server = played.origin_server.accept();
    const std::string question = random_text(300'000, 1);
    std::thread sender([&] {
        data.send(question);
        data.finish();
    });
    CHECK(server.receive_all() == question);
    sender.join();
    server.send("answer");
    server.finish();
    CHECK(data.receive_all() == "answer");
}

TEST_CASE("what the remote proxy says right behind the proxy's answer is not lost")
{
    Played played;
    Stream control = Played::asked(played.way_out);
    control.send(agreed + encode(Played::welcome()));
    Played::log_in(control);
    CHECK(eventually([&] { return played.is_logged_in(); }));
}

TEST_CASE("a SOCKS5 proxy is asked with a login, and its slow answer is waited for")
{
    Played played([](OriginOptions& options) {
        options.connect_through.proxy.kind = ForwardProxy::Kind::socks5;
        options.connect_through.proxy.user = "ann";
        options.connect_through.proxy.password = "word";
    });
    Stream control = played.way_out.accept();
    CHECK(control.receive(4) == "\5\2\0\2"s);
    control.send("\5\2");
    CHECK(control.receive(10) == "\1\3ann\4word"s);
    control.send("\1\0"s);
    const std::string request = socks5::connect_request({"remote.example", 9001});
    CHECK(control.receive(request.size()) == request);
    for (const char each : "\5\0\0\1\0\0\0\0\0\0"s)
        control.send(std::string(1, each));
    Played::log_in(control);
    control.send(Played::welcome());
    CHECK(eventually([&] { return played.is_logged_in(); }));
}

TEST_CASE("after a refusal, an early end or silence the origin proxy tries again")
{
    Played played([](OriginOptions& options) { options.dial_timeout = 200ms; });
    Stream refused = Played::asked(played.way_out);
    refused.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
    CHECK(refused.ending() != Ending::silence);
    Stream ended = Played::asked(played.way_out);
    ended.send("HTTP/1.1 200 OK\r\n");
    ended.finish();
    CHECK(ended.ending() != Ending::silence);
    Stream silent = Played::asked(played.way_out);
    CHECK(silent.ending() != Ending::silence);
    Stream none = Played::asked(played.way_out);
    none.send("SSH-2.0-OpenSSH_9.2\r\n");
    CHECK(none.ending() != Ending::silence);
    played.logged_in(played.way_out);
}

TEST_CASE("a visitor whose data connection the proxy refuses is refused with the reason")
{
    Played played;
    Stream control = played.logged_in(played.way_out);
    control.send(announcement());
    Stream data = Played::asked(played.way_out);
    data.send("HTTP/1.1 503 Busy\r\n\r\n");
    const auto refuse = control.receive_frame<Refuse>();
    CHECK(refuse.code == Code::data_connection_lost);
    CHECK(refuse.text.find("remote.example:9001") != std::string::npos);
    CHECK(refuse.text.find("it answers 503 Busy") != std::string::npos);
    CHECK(eventually([&] { return played.visitors() == 0; }));
}

TEST_CASE("a data connection that the proxy leaves without an answer is given up")
{
    Played played([](OriginOptions& options) { options.dial_timeout = 200ms; });
    Stream control = played.logged_in(played.way_out);
    control.send(announcement());
    Stream data = Played::asked(played.way_out);
    const auto refuse = control.receive_frame<Refuse>();
    CHECK(refuse.text.find("does not answer") != std::string::npos);
    CHECK(data.ending() != Ending::silence);
}

TEST_CASE("a reload that changes the proxy connects anew through the other, and back straight")
{
    Played played;
    Stream control = played.logged_in(played.way_out);
    played.reload(); // nothing has changed
    CHECK_FALSE(played.way_out.pending_within(50ms));
    Server other;
    played.options.connect_through.proxy = proxy_at(other);
    played.reload();
    CHECK(control.receive_frame<Goodbye>().code == Code::reconnecting);
    Stream again = played.logged_in(other);
    CHECK(played.through() == to_string(proxy_at(other)));
    played.options.connect_through.proxy.user = "ann"; // another login alone is another way
    played.reload();
    CHECK(again.receive_frame<Goodbye>().code == Code::reconnecting);
    other.accept();
    played.options.connect_through.way = ConnectThrough::Way::direct;
    played.reload();
    CHECK(eventually([&] { return played.through().empty(); }));
}

TEST_CASE("a reload while the proxy is silent leads to the other one at once, or after its time")
{
    Played played([](OriginOptions& options) { options.dial_timeout = 1s; });
    Stream silent = Played::asked(played.way_out);
    Server other;
    played.options.connect_through.proxy = proxy_at(other);
    played.reload();
    played.logged_in(other);
    CHECK(silent.ending() != Ending::silence);
}

TEST_CASE("a control connection that a reload overtakes is given up for one that goes the new way")
{
    Played played;
    Stream first = Played::asked(played.way_out);
    Server other;
    played.options.connect_through.proxy = proxy_at(other);
    played.reload();
    first.send(agreed);
    Played::log_in(first);
    first.send(Played::welcome());
    CHECK(first.receive_frame<Goodbye>().code == Code::reconnecting);
    played.logged_in(other);
}
