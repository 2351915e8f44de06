// Services that share an address, and origin proxies played by hand that claim names.
#include <doctest/doctest.h>

#include <vector>

#include "common/transport/hello_name.hpp"
#include "tests/proxies/named_origins.hpp"
#include "tests/support/hello_parts.hpp"
#include "tests/support/visitor.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

// With an empty name: one without the extension.
std::string hello_for(const std::string& name)
{
    return hello_record(hello_with(name.empty() ? "" : server_name(name_entry(name))));
}

// One shared address, the domain "test", and a certificate for app.test and *.w.test.
struct House {
    Stream visit() { return Stream::connect(remote.front()); }

    // Sends a hello for this name, which only the origin server would answer.
    Stream visit(const std::string& name)
    {
        Stream visitor = visit();
        visitor.send(hello_for(name));
        return visitor;
    }

    TlsStream visit_tls(const std::string& name)
    {
        TlsPeer peer;
        peer.server_name = name;
        return {visit(), TlsEnd::dials, std::move(peer)};
    }

    std::uint64_t count(Code reason)
    {
        return remote.proxy.on_its_thread([reason](RemoteProxy& proxy) {
            for (const auto& [front, result, number] : proxy.status().at_fronts) {
                if (front == "https" && result == name_of(reason))
                    return number;
            }
            return std::uint64_t(0);
        });
    }

    struct Certificates : CertificateStore {
        Certificates() { add("app", "DNS:app.test,DNS:*.w.test"); }
    };

    Certificates certificates;
    Remote remote{[this](RemoteOptions& options) {
        options.fronts.https = {any_port};
        options.fronts.domain = "test";
        options.fronts.certificates = {certificates.folder.path()};
        options.allow_hosts = {{"roof", {"*.w.test", "*"}}};
        options.handshake_timeout = milliseconds(1500);
        options.pairing_timeout = milliseconds(1500);
    }};
    Origin roof{remote, remote.roof};
    Origin cellar{remote, remote.cellar};
};

std::string alert(TlsAlert which)
{
    const auto bytes = fatal_alert(which);
    return {bytes.begin(), bytes.end()};
}

// The visitor is announced to the origin proxy as one of this service, and bytes go both ways. It
// has sent `first` already.
void check_arrives(Origin& origin, const std::string& service, Stream& visitor,
                   const std::string& first)
{
    const auto announced = origin.control.receive_frame<Announce>();
    CHECK(announced.service == service);
    CHECK(announced.visitor == to_string(visitor.local()));
    Stream data = origin.answer(announced.ticket);
    const std::string whole = data_frame(first);
    CHECK(data.receive(whole.size()) == whole);
    data.send(data_frame("down"));
    CHECK(visitor.receive(4) == "down");
}

constexpr std::string_view answer_ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

std::string request_to(std::string_view host)
{
    return fmt::format("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", host);
}

// What the origin server gets of it.
std::string forwarded_to(std::string_view host)
{
    return fmt::format("GET / HTTP/1.1\r\nHost: {0}\r\nX-Forwarded-For: 127.0.0.1\r\n"
                       "X-Forwarded-Host: {0}\r\nX-Forwarded-Proto: https\r\n"
                       "Forwarded: for=127.0.0.1;host={0};proto=https\r\n\r\n",
                       host);
}

} // namespace

TEST_CASE("visitors of one address find their services by their names, each byte untouched")
{
    House house;
    CHECK(house.roof.routed("a", "tls://one").outside_address ==
          fmt::format("tls://one.test:{}", house.remote.front().port()));
    house.cellar.routed("b", "tls://two");
    Stream one = house.visit("one.test");
    Stream two = house.visit("TWO.Test.");
    check_arrives(house.roof, "a", one, hello_for("one.test"));
    check_arrives(house.cellar, "b", two, hello_for("TWO.Test."));
}

TEST_CASE("a hello may come in any pieces, and what follows it belongs to the stream")
{
    House house;
    house.roof.routed("a", "tls://one");
    const std::string hello = hello_for("one.test") + "early";
    for (const std::size_t size : {std::size_t(1), std::size_t(5), std::size_t(100)}) {
        Stream visitor = house.visit();
        for (std::size_t at = 0; at < hello.size(); at += size) {
            visitor.send(hello.substr(at, size));
            if (at < 3 * size) // let the first of them be seen alone
                CHECK_FALSE(visitor.readable_within(5ms));
        }
        check_arrives(house.roof, "a", visitor, hello);
    }
}

TEST_CASE("the most specific name wins, and the star has those who name nobody")
{
    House house;
    house.roof.routed("all", "tls://*");
    house.roof.routed("below", "tls://*.w.test");
    house.cellar.routed("one", "tls://one");
    Stream exact = house.visit("one.test");
    check_arrives(house.cellar, "one", exact, hello_for("one.test"));
    Stream below = house.visit("x.w.test");
    check_arrives(house.roof, "below", below, hello_for("x.w.test"));
    Stream other = house.visit("elsewhere.example");
    check_arrives(house.roof, "all", other, hello_for("elsewhere.example"));
    Stream none = house.visit();
    none.send(hello_for(""));
    check_arrives(house.roof, "all", none, hello_for(""));
}

TEST_CASE(
    "where all visitors have one service nobody looks at them, so that servers may speak first")
{
    House house;
    house.roof.routed("all", "tls://*");
    Stream visitor = house.visit();
    Stream data = house.roof.serve();
    data.send(data_frame("hello"));
    CHECK(visitor.receive(5) == "hello");
}

TEST_CASE("who asks for nobody is told by an alert, and counted by its reason")
{
    House house;
    house.roof.routed("a", "tls://one");
    CHECK(house.visit("two.test").receive_all() == alert(TlsAlert::unrecognized_name));
    CHECK(house.visit("192.0.2.1").receive_all() == alert(TlsAlert::unrecognized_name));
    CHECK(house.count(Code::unknown_host) == 2);
    Stream none = house.visit();
    none.send(hello_for(""));
    CHECK(none.receive_all() == alert(TlsAlert::unrecognized_name));
    CHECK(house.count(Code::no_host) == 1);
}

TEST_CASE("what is no TLS has its clear end")
{
    House house;
    house.roof.routed("a", "tls://one");
    Stream plain = house.visit();
    plain.send("GET / HTTP/1.1\r\nHost: one.test\r\n\r\n");
    const std::string answer = plain.receive_all();
    CHECK(answer.starts_with("HTTP/1.1 400 "));
    CHECK(answer.find("this is HTTPS") != std::string::npos);
    Stream junk = house.visit();
    junk.send(std::string(64, 'x'));
    CHECK(junk.ending() == Ending::reset);
    Stream old = house.visit();
    old.send(std::string_view("\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10", 11));
    CHECK(old.receive_all() == alert(TlsAlert::protocol_version));
    Stream large = house.visit();
    large.send(std::string_view("\x16\x03\x01\x40\x00\x01\x00\x40\x01", 9));
    CHECK(large.receive_all() == alert(TlsAlert::record_overflow));
    CHECK(house.count(Code::bad_hello) == 4);
}

TEST_CASE("who is silent, or stops within its hello, is reset in time and keeps nobody waiting")
{
    House house;
    house.roof.routed("a", "tls://one");
    Stream silent = house.visit();
    Stream slow = house.visit();
    slow.send(hello_for("one.test").substr(0, 40));
    Stream fresh = house.visit("one.test");
    check_arrives(house.roof, "a", fresh, hello_for("one.test"));
    CHECK(silent.ending() == Ending::reset);
    CHECK(slow.ending() == Ending::reset);
    CHECK(house.count(Code::timeout) == 2);
    Stream cut = house.visit();
    cut.send(hello_for("one.test").substr(0, 40));
    cut.finish();
    CHECK(cut.ending() == Ending::reset);
    Stream scan = house.visit();
    scan.finish();
    CHECK(scan.ending() != Ending::silence);
    CHECK(house.count(Code::bad_hello) == 1);
}

TEST_CASE("TLS ends at the remote proxy where the service is of the kind https")
{
    House house;
    CHECK(house.roof.routed("web", "https://app").outside_address ==
          fmt::format("https://app.test:{}", house.remote.front().port()));
    TlsStream visitor = house.visit_tls("app.test");
    visitor.send(request_to("app.test"));
    Stream data = house.roof.serve();
    const std::string passed_on = data_frame(forwarded_to("app.test"));
    CHECK(data.receive(passed_on.size()) == passed_on);
    data.send(data_frame(answer_ok));
    CHECK(visitor.receive(answer_ok.size()) == answer_ok);
}

TEST_CASE("a name without a certificate is not served by https")
{
    House house;
    const Declined no = house.roof.not_routed("web", "https://other");
    CHECK(no.reason == DeclineReason::no_certificate);
    CHECK(no.text.find("other.test") != std::string::npos);
    CHECK(house.roof.not_routed("web", "https://*").reason == DeclineReason::no_certificate);
    house.roof.routed("web", "https://*.w.test");
    // The certificate is for one label alone.
    CHECK_THROWS_AS(house.visit_tls("a.b.w.test"), std::runtime_error);
    CHECK(house.count(Code::no_certificate) == 1);
}

TEST_CASE("a name is had by one, and by the next when it is let go")
{
    House house;
    house.roof.routed("a", "tls://one");
    house.cellar.offer_names("b", read_outside("tls://one").names);
    house.roof.control.receive_frame<Probe>();
    house.roof.control.send(Heartbeat());
    const auto no = house.cellar.control.receive_frame<Declined>();
    CHECK(no.reason == DeclineReason::host_taken);
    house.roof.control.send(Withdraw{"a"});
    CHECK(house.cellar.control.receive_frame<Opened>().service == "b");
    Stream visitor = house.visit("one.test");
    check_arrives(house.cellar, "b", visitor, hello_for("one.test"));
}

TEST_CASE("a reload takes certificates and the right to names, and nobody else notices")
{
    House house;
    house.roof.routed("web", "https://app");
    TlsStream before = house.visit_tls("app.test");
    before.send(request_to("app.test"));
    Stream data = house.roof.serve();
    house.certificates.add("app", "DNS:app.test,DNS:new.test");
    house.remote.options.allow_hosts = {};
    REQUIRE(house.remote.reload() == "");
    CHECK(house.roof.routed("new", "https://new").service == "new");
    CHECK(house.roof.not_routed("below", "tls://*.w.test").reason ==
          DeclineReason::host_not_allowed);
    const std::string passed_on = data_frame(forwarded_to("app.test"));
    CHECK(data.receive(passed_on.size()) == passed_on);
    data.send(data_frame(answer_ok));
    CHECK(before.receive(answer_ok.size()) == answer_ok);
    house.certificates.folder.write("app.key", "rubbish");
    CHECK(house.remote.reload().find("app.key") != std::string::npos);
    CHECK_NOTHROW(house.visit_tls("new.test"));
}

TEST_CASE("visitors of a service that lets nobody in are reset, and others are not")
{
    House house;
    house.roof.routed("a", "tls://one");
    house.cellar.routed("b", "tls://two");
    house.remote.proxy.on_its_thread([](RemoteProxy& proxy) {
        proxy.actions().drain_service("roof/a", true);
        return 0;
    });
    CHECK(house.visit("one.test").ending() == Ending::reset);
    CHECK(house.count(Code::service_closed) == 1);
    Stream other = house.visit("two.test");
    check_arrives(house.cellar, "b", other, hello_for("two.test"));
}
