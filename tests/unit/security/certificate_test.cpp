// Who gets an encrypted connection, with certificates.
#include <doctest/doctest.h>

#include "common/base/error.hpp"
#include "tests/support/certificates.hpp"
#include "tests/support/secured.hpp"
#include "tests/unit/io.hpp"

using namespace tunnel;
using namespace tunnel::test;

namespace {

struct Ways {
    CertificateFiles server{};
    std::string client_ca{};
    std::string ca{};
    CertificateFiles client{};
    bool insecure = false;
    std::string host = "example.org";
};

struct Outcome {
    Shaken shaken;
    std::string name_at_server{};

    bool good() const { return shaken.dialled.empty() && shaken.accepted.empty(); }

    // The dialling end does not take the server for the right one, and says why.
    bool distrusts(std::string_view words) const
    {
        return shaken.dialled_code == make_error_code(Errc::untrusted_certificate) &&
               shaken.dialled.find(words) != std::string::npos;
    }
};

Outcome meet(const Ways& ways)
{
    asio::io_context io;
    SocketPair pair(io);
    const TlsContext dials =
        TlsContext::dials_with_certificate(ways.ca, ways.client, ways.insecure);
    const TlsContext accepts = TlsContext::accepts(ways.server, ways.client_ca);
    Handshake here(dials, pair.here.native_handle(), ways.host);
    Handshake there(accepts, pair.there.native_handle(), Handshake::FindKey());
    Outcome outcome{shake(io, here, pair.here, there, pair.there)};
    if (outcome.shaken.accepted.empty())
        outcome.name_at_server = there.certificate_name();
    return outcome;
}

} // namespace

TEST_CASE("a certificate is good for the names and addresses in it, and for no others")
{
    const Authority authority;
    const Certificate here = authority.here();
    const auto to = [&](const std::string& host) {
        return meet({.server = here.files(), .ca = authority.authority.path(), .host = host});
    };
    CHECK(to("example.org").good());
    CHECK(to("EXAMPLE.org").good());
    CHECK(to("127.0.0.1").good());
    for (const char* const other :
         {"example.com", "www.example.org", "example.org.evil.com", "here", "127.0.0.2", "::1"}) {
        CAPTURE(other);
        CHECK(to(other).distrusts(other));
        CHECK(to(other).distrusts("mismatch"));
    }
}

TEST_CASE("the common name does not do for a name where there are alternative ones")
{
    const Authority authority;
    const Certificate here =
        authority.sign({.common_name = "example.com", .alternative = "DNS:example.org"});
    const Ways ways{.server = here.files(), .ca = authority.authority.path()};
    CHECK(meet(ways).good());
    Ways other = ways;
    other.host = "example.com";
    CHECK_FALSE(meet(other).good());
}

TEST_CASE("a wildcard stands for one whole label")
{
    const Authority authority;
    const Certificate here =
        authority.sign({.alternative = "DNS:*.example.org,DNS:ab*.example.net"});
    const auto good = [&](const std::string& host) {
        return meet({.server = here.files(), .ca = authority.authority.path(), .host = host})
            .good();
    };
    CHECK(good("www.example.org"));
    CHECK_FALSE(good("example.org"));
    CHECK_FALSE(good("a.www.example.org"));
    CHECK_FALSE(good("abc.example.net"));
}

TEST_CASE("a certificate of an unknown authority, or its own, is refused in words")
{
    const Authority authority;
    const Authority other("another");
    const Certificate here = authority.here();
    CHECK(meet({.server = here.files(), .ca = other.authority.path()})
              .distrusts("unable to get local issuer certificate"));
    CHECK(meet({.server = here.files()}).distrusts("unable to get local issuer")); // the system's
    const Certificate own({.common_name = "here", .alternative = "DNS:example.org"});
    CHECK(meet({.server = own.files(), .ca = authority.authority.path()})
              .distrusts("self-signed certificate"));
    CHECK(meet({.server = own.files(), .ca = own.path()}).good()); // unless it is named itself
}

TEST_CASE("an expired certificate is refused in words")
{
    const Authority authority;
    const Certificate here =
        authority.sign({.common_name = "here", .alternative = "DNS:example.org", .valid_for = -60});
    CHECK(meet({.server = here.files(), .ca = authority.authority.path()}).distrusts("expired"));
}

TEST_CASE("who signs without being an authority is none")
{
    const Authority authority;
    const Certificate here = authority.here();
    const Certificate forged({.common_name = "forged", .alternative = "DNS:example.org"}, &here);
    CHECK_FALSE(meet({.server = forged.files(), .ca = authority.authority.path()}).good());
    CHECK_FALSE(meet({.server = forged.files(), .ca = here.path()}).good());
}

TEST_CASE("any certificate will do with the flag that says so, and only with that")
{
    const Certificate own({.common_name = "x", .valid_for = -60});
    CHECK(meet({.server = own.files(), .insecure = true}).good());
    CHECK_FALSE(meet({.server = own.files()}).good());
}

TEST_CASE("where the other's certificate is asked for, only one of the right authority will do")
{
    const Authority authority;
    const Authority others("another");
    const Certificate here = authority.here();
    const Certificate roof = authority.sign({.common_name = "roof"});
    const Certificate stranger = others.sign({.common_name = "roof"});
    const Certificate expired = authority.sign({.common_name = "roof", .valid_for = -60});
    Ways ways{.server = here.files(),
              .client_ca = authority.authority.path(),
              .ca = authority.authority.path()};
    SUBCASE("a good one")
    {
        ways.client = roof.files();
        const Outcome outcome = meet(ways);
        CHECK(outcome.good());
        CHECK(outcome.name_at_server == "roof");
    }
    // With TLS 1.3 the dialling end has finished before it is told.
    SUBCASE("none")
    {
        CHECK(meet(ways).shaken.accepted_code == make_error_code(Errc::handshake_failed));
    }
    SUBCASE("another authority's")
    {
        ways.client = stranger.files();
        CHECK(meet(ways).shaken.accepted_code == make_error_code(Errc::handshake_failed));
    }
    SUBCASE("an expired one")
    {
        ways.client = expired.files();
        CHECK(meet(ways).shaken.accepted_code == make_error_code(Errc::handshake_failed));
    }
}

TEST_CASE("a certificate without a common name goes by its alternative one")
{
    const Authority authority;
    const Certificate here = authority.here();
    const Certificate nameless = authority.sign({.alternative = "DNS:roof"});
    const Outcome outcome = meet({.server = here.files(),
                                  .client_ca = authority.authority.path(),
                                  .ca = authority.authority.path(),
                                  .client = nameless.files()});
    CHECK(outcome.good());
    CHECK(outcome.name_at_server == "roof");
}

TEST_CASE("files that are no certificate, or no key of it, are refused by their names")
{
    const Certificate one({.common_name = "one"});
    const Certificate other({.common_name = "other"});
    const auto words = [](const CertificateFiles& own, const std::string& ca) -> std::string {
        try {
            TlsContext::accepts(own, ca);
            return {};
        } catch (const std::runtime_error& error) {
            return error.what();
        }
    };
    const TemporaryFile empty;
    CHECK(words(one.files(), {}).empty());
    CHECK(words({one.files().certificate, other.files().key}, {}) ==
          "the key in " + other.files().key + " is not of the certificate in " +
              one.files().certificate);
    CHECK(words({empty.path(), one.files().key}, {}).find(empty.path()) != std::string::npos);
    CHECK(words({one.files().certificate, empty.path()}, {}).find(empty.path()) !=
          std::string::npos);
    CHECK(words(one.files(), empty.path()).find(empty.path()) != std::string::npos);
    CHECK(words({"/tmp/tunnel-test-none", one.files().key}, {})
              .find("cannot use the certificate in /tmp/tunnel-test-none: No such file") !=
          std::string::npos);
}
