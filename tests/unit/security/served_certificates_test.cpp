// Which certificate is for which name, and which folders will do.
#include <doctest/doctest.h>

#include <algorithm>

#include "common/files/file_system.hpp"
#include "common/files/snapshot.hpp"
#include "common/security/served_certificates.hpp"
#include "tests/support/visitor.hpp"

using namespace tunnel;
using namespace tunnel::test;

namespace {

std::string failure_of(const std::vector<std::string>& folders)
{
    try {
        ServedCertificates::load(folders, std::make_shared<TicketKeys>());
    } catch (const std::runtime_error& error) {
        return error.what();
    }
    return {};
}

std::string failure_of(const CertificateStore& store)
{
    return failure_of({store.folder.path()});
}

// The common name of what a visitor of `name` is shown.
std::string shown(const CertificateStore& store, const std::string& name,
                  const char* signatures = nullptr, bool only_tls_1_2 = false)
{
    const Met met =
        meet(store.load(),
             {.only_tls_1_2 = only_tls_1_2, .server_name = name, .signatures = signatures});
    CAPTURE(met.visitor_words);
    CAPTURE(met.result.error.message());
    CAPTURE(met.result.why);
    REQUIRE(met.good());
    return met.visitor->peer_name();
}

bool contains(const std::string& text, std::string_view part)
{
    return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("a name has the certificate that names it, else that of the wildcard one label above")
{
    CertificateStore store;
    store.add("exact", "DNS:app.example.com,DNS:Other.Example.NET.");
    store.add("wildcard", "DNS:*.example.com");
    const auto served = store.load();
    CHECK(served->context_for("app.example.com") != nullptr);
    CHECK(served->context_for("app.example.com") == served->context_for("other.example.net"));
    CHECK(served->context_for("www.example.com") != nullptr);
    CHECK(served->context_for("www.example.com") != served->context_for("app.example.com"));
    for (const char* const other : {"example.com", "a.www.example.com", "a.app.example.com", "com",
                                    "", "example.net", "*.example.com"}) {
        CAPTURE(other);
        CHECK(served->context_for(other) == nullptr);
    }
    CHECK(shown(store, "app.example.com") == "exact");
    CHECK(shown(store, "www.example.com") == "wildcard");
    CHECK(served->covers("app.example.com"));
    CHECK(served->covers("www.example.com"));
    CHECK(served->covers("*.example.com"));
    CHECK_FALSE(served->covers("*.app.example.com"));
    CHECK_FALSE(served->covers("*.com"));
    CHECK_FALSE(served->covers("*"));
    CHECK_FALSE(served->covers("example.com"));
}

TEST_CASE("of an RSA and an ECDSA certificate a visitor gets the one whose signature it takes")
{
    CertificateStore store;
    store.add("rsa", "DNS:app.example.com,DNS:only-rsa.example.com", KeyKind::rsa);
    store.add("ecdsa", "DNS:app.example.com");
    for (const bool tls_1_2 : {false, true}) {
        CAPTURE(tls_1_2);
        CHECK(shown(store, "app.example.com", "rsa_pss_rsae_sha256:RSA+SHA256", tls_1_2) == "rsa");
        CHECK(shown(store, "app.example.com", "ECDSA+SHA256", tls_1_2) == "ecdsa");
        CHECK(shown(store, "only-rsa.example.com", nullptr, tls_1_2) == "rsa");
    }
}

TEST_CASE("of several certificates for a name the one is shown that is valid now, and longest")
{
    CertificateStore store;
    store.add("a-expired", "DNS:app.example.com", KeyKind::p_256, -60);
    CHECK(shown(store, "app.example.com") == "a-expired"); // better than none
    store.add("b-long", "DNS:app.example.com", KeyKind::p_384, 7200);
    store.add("c-short", "DNS:app.example.com", KeyKind::p_256, 600);
    CHECK(shown(store, "app.example.com") == "b-long");
}

TEST_CASE("certificates are found where ACME clients put them")
{
    const Certificate certificate({.common_name = "it", .alternative = "DNS:app.example.com"});
    const CertificateFiles files = certificate.files();
    const TemporaryFolder folder;
    std::string expected;
    SUBCASE("NAME.crt")
    {
        folder.copy(files.certificate, "x.crt");
        folder.copy(files.key, "x.key");
        folder.write("unused.key", "");
        expected = folder / "x.crt";
    }
    SUBCASE("lego")
    {
        folder.copy(files.certificate, "_.example.com.crt");
        folder.copy(files.key, "_.example.com.key");
        folder.copy(files.certificate, "_.example.com.issuer.crt");
        folder.write("_.example.com.json", "{}");
        expected = folder / "_.example.com.crt";
    }
    SUBCASE("certbot")
    {
        folder.write("README", "This directory contains your keys and certificates.");
        folder.copy(files.certificate, "app.example.com/fullchain.pem");
        folder.copy(files.certificate, "app.example.com/cert.pem");
        folder.copy(files.key, "app.example.com/privkey.pem");
        folder.write("app.example.com/README", "");
        expected = folder / "app.example.com/fullchain.pem";
    }
    SUBCASE("one folder of certbot")
    {
        folder.copy(files.certificate, "fullchain.pem");
        folder.copy(files.key, "privkey.pem");
        expected = folder / "fullchain.pem";
    }
    const auto served =
        ServedCertificates::load({folder.path(), folder.path()}, std::make_shared<TicketKeys>());
    CHECK(served->files() == std::vector{expected});
    CHECK(served->covers("app.example.com"));
    CHECK(served->concerns().empty());
    CHECK(certificate_files({folder.path()}).size() == 2);
    CHECK(certificate_files({folder.path()})[0] == expected);
}

TEST_CASE("a folder in which there is nothing yet is no mistake, but told")
{
    const TemporaryFolder folder;
    folder.write("README", "of certbot");
    folder.write(".hidden", "");
    const auto served = ServedCertificates::load({folder.path()}, std::make_shared<TicketKeys>());
    CHECK(served->files().empty());
    CHECK_FALSE(served->covers("app.example.com"));
    REQUIRE(served->concerns().size() == 1);
    CHECK(contains(served->concerns()[0], folder.path()));
}

TEST_CASE("what cannot be used is told with its file")
{
    CertificateStore store;
    store.add("good", "DNS:app.example.com");
    const TemporaryFolder& folder = store.folder;
    CHECK(contains(failure_of({folder / "none"}),
                   "cannot read the certificates in " + folder / "none"));
    const Certificate other({.common_name = "x", .alternative = "DNS:x.example.com"});
    SUBCASE("no key")
    {
        folder.copy(other.files().certificate, "x.crt");
        CHECK(contains(failure_of(store), "no key for the certificate in " + folder / "x.crt"));
    }
    SUBCASE("no key, as certbot has them")
    {
        folder.copy(other.files().certificate, "x/fullchain.pem");
        CHECK(contains(failure_of(store), folder / "x/fullchain.pem"));
    }
    SUBCASE("another's key, also of a certificate that would not be shown")
    {
        folder.copy(folder / "good.crt", "x.crt");
        folder.copy(other.files().key, "x.key");
        CHECK(contains(failure_of(store), "the key in " + folder / "x.key" +
                                              " is not of the certificate in " + folder / "x.crt"));
    }
    SUBCASE("no PEM")
    {
        folder.write("x.crt", "no certificate");
        folder.copy(other.files().key, "x.key");
        CHECK(contains(failure_of(store), "cannot use the certificate in " + folder / "x.crt"));
    }
    SUBCASE("no key in the file for it")
    {
        folder.copy(other.files().certificate, "x.crt");
        folder.write("x.key", "no key");
        CHECK(contains(failure_of(store), "cannot use the key in " + folder / "x.key"));
    }
    SUBCASE("a common name alone")
    {
        store.add("app.example.com", "IP:127.0.0.1");
        const std::string words = failure_of(store);
        CHECK(contains(words, folder / "app.example.com.crt"));
        CHECK(contains(words, "subjectAltName"));
    }
    SUBCASE("something else")
    {
        const TemporaryFolder wrong;
        wrong.write("haproxy.pem", "");
        CHECK(contains(failure_of({wrong.path()}), "there is no certificate in " + wrong.path()));
    }
}

TEST_CASE("a reload out of a snapshot finds what is in the folders, as it was")
{
    CertificateStore store;
    store.add("good", "DNS:app.example.com");
    const Certificate other({.common_name = "x", .alternative = "DNS:x.example.com"});
    store.folder.copy(other.files().certificate, "x/fullchain.pem");
    store.folder.copy(other.files().key, "x/privkey.pem");
    RecordedFiles recorded(file_system());
    {
        const ReadFrom from(recorded);
        for (const auto& path : certificate_files({store.folder.path()}))
            recorded.read(path.string(), 1024 * 1024);
    }
    auto snapshot = Snapshot::decode(recorded.encode().view());
    REQUIRE(snapshot.has_value());
    store.add("later", "DNS:later.example.com");
    const ReadFrom from(*snapshot);
    const auto served = store.load();
    CHECK(served->files().size() == 2);
    CHECK(served->covers("app.example.com"));
    CHECK(served->covers("x.example.com"));
    CHECK_FALSE(served->covers("later.example.com"));
}
