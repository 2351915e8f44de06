// An origin proxy that offers services by name, with remote proxies played by hand.
#include <doctest/doctest.h>

#include <algorithm>
#include <future>

#include "common/transport/socket.hpp"
#include "origin-proxy/management/management.hpp"
#include "tests/support/proxies.hpp"
#include "tests/support/stream_frames.hpp"

using namespace std::chrono_literals;
using namespace std::string_view_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

Address address_of(const Server& server)
{
    return {"127.0.0.1", server.endpoint().port()};
}

bool contains(const std::vector<std::string>& features, std::string_view feature)
{
    return std::ranges::find(features, feature) != features.end();
}

Announce announced(std::string_view service)
{
    Announce announce = announcement();
    announce.service = service;
    announce.outside = "192.0.2.1:80";
    return announce;
}

// Which service the origin proxy offers next, and where.
using Offered = std::pair<std::string, std::string>;

Offered offer_on(Stream& control)
{
    const auto offer = control.receive_frame<Offer>();
    return {offer.service, offer.outside_address};
}

// A remote proxy played by hand and two origin servers, with the origin proxy between them.
struct Played {
    explicit Played(const std::function<void(OriginOptions&)>& change = {})
    {
        OriginOptions options = origin_options(remote.endpoint(), web.endpoint());
        options.parked_connections = 0;
        options.services = {{"web", address_of(web), Address{"", 80}}, {"mail", address_of(mail)}};
        if (change)
            change(options);
        services = options.services;
        welcome.version = 1;
        welcome.features = {std::string(tunnel::feature::services)};
        welcome.heartbeat_timeout = 10s;
        proxy.emplace(options,
                      [this](const Address&, const std::string&,
                             const std::vector<Opened>& opened) { ready.set_value(opened); });
    }

    Stream accept_control()
    {
        Stream control = remote.accept();
        CHECK(control.receive(magic.size()) == magic_bytes());
        log_in = control.receive_frame<LogIn>();
        return control;
    }

    // A control connection on which each service has been offered and none been answered.
    Stream offered()
    {
        Stream control = accept_control();
        control.send(welcome);
        for (std::size_t i = 0; i < services.size(); ++i)
            control.receive_frame<Offer>();
        return control;
    }

    // A data connection that has presented the ticket.
    Stream accept_data(const Ticket& ticket)
    {
        Stream data = remote.accept();
        CHECK(data.receive(magic.size()) == magic_bytes());
        CHECK((data.receive_frame<DialBack>().ticket == ticket));
        return data;
    }

    // One whose visitor is being served.
    Stream started(Stream& control, std::string_view service)
    {
        const Announce announce = announced(service);
        control.send(announce);
        Stream data = accept_data(announce.ticket);
        CHECK((data.receive_frame<Start>() == Start()));
        return data;
    }

    // One that waits for a visitor to be announced.
    Stream parked()
    {
        Stream data = remote.accept();
        CHECK(data.receive(magic.size()) == magic_bytes());
        data.receive_frame<Park>();
        return data;
    }

    void change_services(const std::vector<OriginService>& wanted)
    {
        proxy->on_its_thread([&](OriginProxy& origin) {
            origin.change_services(wanted);
            return true;
        });
        services = wanted;
    }

    // Whether it answers, so that it has done all that it was told before.
    void check_that_it_answers(Stream& control)
    {
        control.send(Probe());
        CHECK(control.receive(3) == encode(Heartbeat()));
    }

    // The status of GET /ready.
    int readiness()
    {
        return proxy->on_its_thread(
            [](const OriginProxy& origin) { return tunnel::readiness(origin.status()).status; });
    }

    bool is_ready() { return ready_at.wait_for(0s) == std::future_status::ready; }

    Server remote;
    Server web;
    Server mail;
    std::vector<OriginService> services;
    Welcome welcome;
    LogIn log_in;
    std::promise<std::vector<Opened>> ready;
    std::future<std::vector<Opened>> ready_at = ready.get_future();
    std::optional<RunningOrigin> proxy;
};

std::string header_of(ProxyProtocol protocol)
{
    if (protocol == ProxyProtocol::v1)
        return "PROXY TCP4 198.51.100.1 192.0.2.1 1234 80\r\n";
    return std::string("\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"
                       "\xc6\x33\x64\x01\xc0\0\2\1\x04\xd2\0\x50"sv);
}

} // namespace

TEST_CASE("services are offered after the welcome, in the order in which they were told")
{
    Played played;
    Stream control = played.accept_control();
    CHECK(contains(played.log_in.features, feature::services));
    control.send(played.welcome);
    CHECK(offer_on(control) == Offered{"web", ":80"});
    CHECK(offer_on(control) == Offered{"mail", ""});
}

TEST_CASE("who serves but one service, without a name, does not ask to offer any")
{
    Played played([](OriginOptions& options) { options.services.clear(); });
    played.welcome.features.clear();
    played.welcome.outside_address = "192.0.2.1:80";
    Stream control = played.accept_control();
    CHECK_FALSE(contains(played.log_in.features, feature::services));
    control.send(played.welcome);
    CHECK((played.ready_at.get() == std::vector<Opened>{{"default", "192.0.2.1:80"}}));
}

TEST_CASE("services are offered anew on each control connection")
{
    Played played;
    played.offered().reset();
    played.offered();
}

TEST_CASE("as many services as there may be are offered at once")
{
    Played played([](OriginOptions& options) {
        options.services.clear();
        for (int i = 0; i < 1000; ++i)
            options.services.push_back({std::string(64, 'n') + std::to_string(i),
                                        {"127.0.0.1", 1},
                                        Address{std::string(253, 'h'), 1}});
    });
    Stream control = played.offered();
    played.check_that_it_answers(control);
}

TEST_CASE("a remote proxy that opens no services is told as an error, and never logged in to")
{
    Played played([](OriginOptions& options) { options.max_retries = 1; });
    played.welcome.features.clear();
    for (int i = 0; i < 2; ++i) {
        Stream control = played.accept_control();
        control.send(played.welcome);
        CHECK(control.ending() != Ending::silence);
    }
    CHECK(eventually([&] { return played.proxy->ended(); }));
    CHECK(played.proxy->proxy().gave_up());
    CHECK_FALSE(played.is_ready());
}

TEST_CASE("an announced visitor is joined with the origin server of its service")
{
    Played played;
    Stream control = played.offered();
    Stream to_web = played.started(control, "web");
    Stream web = played.web.accept();
    Stream to_mail = played.started(control, "mail");
    Stream mail = played.mail.accept();
    to_web.send("a page");
    to_mail.send("a letter");
    CHECK(web.receive(6) == "a page");
    CHECK(mail.receive(8) == "a letter");
}

TEST_CASE("a visitor announced on a parked connection is joined with the server of its service")
{
    Played played([](OriginOptions& options) { options.parked_connections = 1; });
    played.welcome.session = SessionId{random_bytes()};
    const Stream control = played.offered();
    Stream data = played.parked();
    data.send(encode(announced("mail")) + data_frame("a letter"));
    CHECK(played.mail.accept().receive(8) == "a letter");
    CHECK(data.receive(3) == start_frame);
    Stream next = played.parked();
    next.send(encode(announced("web")) + data_frame("a page"));
    CHECK(played.web.accept().receive(6) == "a page");
}

TEST_CASE("a visitor of a service that is not served here is refused, and nothing is dialled")
{
    Played played([](OriginOptions& options) { options.parked_connections = 1; });
    played.welcome.session = SessionId{random_bytes()};
    Stream control = played.offered();
    for (const auto service : {"default", "Web", "", "127.0.0.1:22"}) {
        CAPTURE(service);
        const Announce announce = announced(service);
        control.send(announce);
        const auto refuse = control.receive_frame<Refuse>();
        CHECK((refuse.ticket == announce.ticket));
        CHECK(refuse.code == Code::no_such_service);
    }
    Stream data = played.parked();
    data.send(announced("printer"));
    CHECK(data.receive_frame<Refuse>().code == Code::no_such_service);
    CHECK(data.ending() != Ending::silence);
    CHECK_FALSE(played.web.pending_within(50ms));
    CHECK_FALSE(played.mail.pending_within(0ms));
}

TEST_CASE("a refusal names the address of the service's own origin server")
{
    Played played;
    Stream control = played.offered();
    const std::string address = to_string(played.mail.endpoint());
    {
        const Server gone = std::move(played.mail);
    }
    control.send(announced("mail"));
    CHECK(control.receive_frame<Refuse>().text.find("origin server " + address) == 0);
}

TEST_CASE("the program is ready when each offer has been answered, with those that are open")
{
    Played played;
    Stream control = played.offered();
    SUBCASE("both")
    {
        control.send(Opened{"mail", "0.0.0.0:25"});
        played.check_that_it_answers(control);
        CHECK_FALSE(played.is_ready());
        control.send(Opened{"web", "0.0.0.0:80"});
        CHECK((played.ready_at.get() ==
               std::vector<Opened>{{"web", "0.0.0.0:80"}, {"mail", "0.0.0.0:25"}}));
    }
    SUBCASE("one")
    {
        control.send(encode(Declined{"web", DeclineReason::in_use, "by another origin proxy"}) +
                     encode(Opened{"mail", "0.0.0.0:25"}));
        CHECK((played.ready_at.get() == std::vector<Opened>{{"mail", "0.0.0.0:25"}}));
    }
    SUBCASE("on the connection on which that happens")
    {
        control.send(Opened{"mail", "0.0.0.0:25"});
        control.reset();
        Stream again = played.offered();
        again.send(Opened{"web", "0.0.0.0:80"});
        played.check_that_it_answers(again);
        CHECK_FALSE(played.is_ready());
        again.send(Opened{"mail", "0.0.0.0:26"});
        CHECK((played.ready_at.get() ==
               std::vector<Opened>{{"web", "0.0.0.0:80"}, {"mail", "0.0.0.0:26"}}));
    }
    SUBCASE("or are not wanted any more")
    {
        control.send(Opened{"mail", "0.0.0.0:25"});
        played.check_that_it_answers(control);
        played.change_services({played.services[1]});
        CHECK((played.ready_at.get() == std::vector<Opened>{{"mail", "0.0.0.0:25"}}));
    }
}

TEST_CASE("while every service is declined the program is not ready, but it is once one is open")
{
    Played played([](OriginOptions& options) { options.answered_within = 50ms; });
    Stream control = played.offered();
    control.send(encode(Declined{"web", DeclineReason::in_use, "by another origin proxy"}) +
                 encode(Declined{"mail", DeclineReason{200}, "tomorrow's reason"}));
    CHECK(played.ready_at.wait_for(100ms) == std::future_status::timeout);
    CHECK(played.readiness() == 503);
    SUBCASE("on this control connection")
    {
        control.send(Opened{"web", "0.0.0.0:80"});
    }
    SUBCASE("on a later one")
    {
        control.reset();
        control = played.offered();
        CHECK(played.readiness() == 503);
        control.send(Opened{"web", "0.0.0.0:80"});
    }
    CHECK((played.ready_at.get() == std::vector<Opened>{{"web", "0.0.0.0:80"}}));
    CHECK(played.readiness() == 200);
    control.send(Declined{"web", DeclineReason::removed, ""});
    CHECK(eventually([&] { return played.readiness() == 503; }));
}

TEST_CASE("an offer that gets no answer does not keep the program from being ready for ever")
{
    Played played([](OriginOptions& options) { options.answered_within = 50ms; });
    Stream control = played.offered();
    control.send(Opened{"mail", "0.0.0.0:25"});
    CHECK(played.ready_at.wait_for(10s) == std::future_status::ready);
}

TEST_CASE("a service that was in use is served as soon as it is opened")
{
    Played played;
    Stream control = played.offered();
    control.send(Declined{"web", DeclineReason::in_use, "by another origin proxy"});
    control.send(Opened{"web", "192.0.2.1:80"});
    Stream data = played.started(control, "web");
    data.send("a page");
    CHECK(played.web.accept().receive(6) == "a page");
}

TEST_CASE("what the remote proxy says of services that nobody has does no harm")
{
    Played played;
    Stream control = played.offered();
    control.send(Opened{"printer", "192.0.2.1:631"});
    control.send(Declined{"scanner", DeclineReason::removed, ""});
    control.send(Opened{"", ""});
    played.check_that_it_answers(control);
    CHECK_FALSE(played.is_ready());
}

TEST_CASE("of changed services those are withdrawn that are gone, and those offered that are new")
{
    Played played;
    Stream control = played.offered();
    played.change_services(
        {played.services[1], {"news", address_of(played.web), Address{"", 119}}});
    CHECK((control.receive_frame<Withdraw>() == Withdraw{"web"}));
    CHECK(offer_on(control) == Offered{"news", ":119"});
    played.started(control, "mail");
    CHECK(played.mail.pending_within(5s));
    played.started(control, "news");
    CHECK(played.web.pending_within(5s));
    control.send(announced("web"));
    CHECK(control.receive_frame<Refuse>().code == Code::no_such_service);
    control.reset(); // and then no others are offered
    played.offered();
}

TEST_CASE("services that are changed while nobody is logged in are offered at the next log-in")
{
    Played played;
    Stream control = played.accept_control();
    played.change_services({{"news", address_of(played.web)}});
    control.send(played.welcome);
    CHECK(offer_on(control) == Offered{"news", ""});
    played.started(control, "news");
}

TEST_CASE("another origin server of a service is for the next visitor, without an offer")
{
    Played played;
    Stream control = played.offered();
    Stream data = played.started(control, "web");
    Stream web = played.web.accept();
    auto wanted = played.services;
    wanted[0].origin_server_address = address_of(played.mail);
    played.change_services(wanted);
    Stream next = played.started(control, "web"); // no offer has come before it
    next.send("to another");
    CHECK(played.mail.accept().receive(10) == "to another");
    data.send("still here");
    CHECK(web.receive(10) == "still here");
}

TEST_CASE("a service that is to be opened elsewhere is withdrawn and offered again")
{
    Played played;
    Stream control = played.offered();
    auto wanted = played.services;
    std::swap(wanted[0].outside_address, wanted[1].outside_address);
    played.change_services(wanted);
    // Both go before either comes back, so that neither is in the other's way.
    CHECK((control.receive_frame<Withdraw>() == Withdraw{"web"}));
    CHECK((control.receive_frame<Withdraw>() == Withdraw{"mail"}));
    CHECK(offer_on(control) == Offered{"web", ""});
    CHECK(offer_on(control) == Offered{"mail", ":80"});
}

TEST_CASE("what is said of an earlier offer of a service is no answer to the one after")
{
    Played played;
    Stream control = played.offered();
    auto wanted = played.services;
    wanted[0].outside_address->port = 81;
    played.change_services({wanted[0]}); // which leaves nothing else to be answered
    CHECK((control.receive_frame<Withdraw>() == Withdraw{"web"}));
    CHECK((control.receive_frame<Withdraw>() == Withdraw{"mail"}));
    const auto offer = control.receive_frame<Offer>();
    control.send(Opened{"web", "192.0.2.1:80", offer.number - 1});
    control.send(Declined{"web", DeclineReason::in_use, "", offer.number - 1});
    played.check_that_it_answers(control);
    CHECK_FALSE(played.is_ready());
    control.send(Opened{"web", "192.0.2.1:81", offer.number});
    CHECK((played.ready_at.get() == std::vector<Opened>{{"web", "192.0.2.1:81"}}));
}

TEST_CASE("visitors of a service that is withdrawn are served to their ends")
{
    Played played;
    Stream control = played.offered();
    Stream data = played.started(control, "web");
    Stream server = played.web.accept();
    played.change_services({});
    control.receive_frame<Withdraw>();
    control.receive_frame<Withdraw>();
    data.send("question");
    data.finish();
    CHECK(server.receive_all() == "question");
    server.send("answer");
    server.finish();
    CHECK(data.receive_all() == "answer");
}

TEST_CASE("a service that is withdrawn while its server is being dialled is served all the same")
{
    const DeafServer deaf;
    Played played([&](OriginOptions& options) {
        options.services[0].origin_server_address.port = deaf.endpoint().port();
        options.dial_timeout = 300ms;
    });
    Stream control = played.offered();
    const Announce announce = announced("web");
    control.send(announce);
    Stream data = played.accept_data(announce.ticket);
    played.change_services({});
    CHECK(data.receive_frame<Refuse>().code == Code::origin_server_timeout);
}

TEST_CASE("announcements that wait for descriptors are refused when their service is withdrawn")
{
    Played played([](OriginOptions& options) { options.descriptor_limit = 30; }); // two at a time
    Stream control = played.offered();
    std::vector<Stream> kept;
    for (int i = 0; i < 2; ++i)
        kept.push_back(played.started(control, "web"));
    const Announce third = announced("web");
    control.send(third);
    played.check_that_it_answers(control);
    played.change_services({played.services[1]});
    CHECK((control.receive_frame<Withdraw>() == Withdraw{"web"}));
    kept.front().reset();
    CHECK((control.receive_frame<Refuse>().ticket == third.ticket));
}

TEST_CASE("who has served one service without a name connects anew to offer those that have")
{
    Played played([](OriginOptions& options) { options.services.clear(); });
    Stream control = played.accept_control();
    control.send(played.welcome);
    played.ready_at.get();
    played.change_services({{"web", address_of(played.web)}});
    CHECK(std::holds_alternative<Goodbye>(control.receive_frame()));
    Stream again = played.accept_control();
    CHECK(contains(played.log_in.features, feature::services));
    again.send(played.welcome);
    CHECK(offer_on(again) == Offered{"web", ""});
}

TEST_CASE("the origin server gets one header of the PROXY protocol, before all else")
{
    for (const auto protocol : {ProxyProtocol::v1, ProxyProtocol::v2}) {
        Played played(
            [&](OriginOptions& options) { options.services[0].rules.proxy_protocol = protocol; });
        Stream control = played.offered();
        Stream data = played.started(control, "web");
        Stream server = played.web.accept();
        const std::string header = header_of(protocol);
        CHECK(server.receive(header.size()) == header); // before the visitor has said a word
        data.send("question");
        data.finish();
        CHECK(server.receive_all() == "question");
        Stream other = played.started(control, "mail"); // where nobody asked for one
        other.send("a letter");
        CHECK(played.mail.accept().receive(8) == "a letter");
    }
}

TEST_CASE("the one origin server without a name gets the header as well")
{
    Played played([](OriginOptions& options) {
        options.services.clear();
        options.rules.proxy_protocol = ProxyProtocol::v1;
    });
    Stream control = played.offered();
    Stream data = played.started(control, "default");
    data.send("question");
    data.finish();
    CHECK(played.web.accept().receive_all() == header_of(ProxyProtocol::v1) + "question");
}

TEST_CASE("the header is sent once for each visitor of a parked connection")
{
    for (const auto protocol : {ProxyProtocol::v1, ProxyProtocol::v2}) {
        for (const auto host : {"127.0.0.1", "localhost"}) { // known at once, and looked up
            CAPTURE(host);
            Played played([&](OriginOptions& options) {
                options.parked_connections = 1;
                options.services[0].rules.proxy_protocol = protocol;
                options.services[0].origin_server_address.host = host;
            });
            played.welcome.session = SessionId{random_bytes()};
            const Stream control = played.offered();
            Stream data = played.parked();
            for (int i = 0; i < 3; ++i) {
                data.send(encode(announced("web")) + data_frame("question") + end_frame);
                Stream server = played.web.accept();
                CHECK(data.receive(3) == start_frame);
                CHECK(server.receive_all() == header_of(protocol) + "question");
                server.finish();
                CHECK(data.receive(3) == end_frame);
            }
        }
    }
}
