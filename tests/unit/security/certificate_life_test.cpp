// Until when our certificates are good, and who is told of it.
#include <doctest/doctest.h>

#include <algorithm>

#include <fmt/format.h>

#include "common/security/certificates_in_use.hpp"
#include "tests/support/certificates.hpp"
#include "tests/unit/captured.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

using std::chrono::sys_seconds;

sys_seconds now()
{
    return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

CertificateLife life(std::chrono::hours of)
{
    return {"own.pem", sys_seconds(0s), sys_seconds(of)};
}

bool has(const std::string& text, std::string_view part)
{
    return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("a file's first certificate says from when and until when it is good")
{
    const Certificate certificate({.common_name = "x", .valid_for = 3600});
    const auto life = life_of_certificate(certificate.path());
    REQUIRE(life);
    CHECK(life->file == certificate.path());
    CHECK(life->from < now());
    CHECK(life->until > now() + 3500s);
    CHECK(life->until <= now() + 3600s);
}

TEST_CASE("a file without a certificate has no life to tell of")
{
    const TemporaryFile garbage("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    const TemporaryFile empty("");
    const Certificate certificate({.common_name = "x"});
    CHECK_FALSE(life_of_certificate(garbage.path()));
    CHECK_FALSE(life_of_certificate(empty.path()));
    CHECK_FALSE(life_of_certificate("/nowhere/at-all"));
    CHECK_FALSE(life_of_certificate(certificate.files().key));
}

TEST_CASE("each file is told of once")
{
    const Certificate one({.common_name = "x"});
    const Certificate other({.common_name = "y"});
    const auto lives = lives_of_certificates({"", one.path(), other.path(), one.path(), ""});
    REQUIRE(lives.size() == 2);
    CHECK(lives[0].file == one.path());
    CHECK(lives[1].file == other.path());
}

TEST_CASE("a certificate is of concern before its time, in its last tenth or 14 days, and after it")
{
    constexpr std::chrono::hours day = 24h;

    struct Case {
        std::chrono::hours life;
        sys_seconds now;
        std::string_view concern;
    };

    for (const Case& each :
         {Case{90 * day, sys_seconds(-1s), "only from 1970-01-01 00:00:00 UTC"},
          Case{90 * day, sys_seconds(0s), ""}, Case{90 * day, sys_seconds(81 * day), ""},
          Case{90 * day, sys_seconds(81 * day + 1s), "expires soon"},
          Case{90 * day, sys_seconds(90 * day), "1970-04-01 00:00:00 UTC"},
          Case{90 * day, sys_seconds(90 * day + 1s), "expired at"},
          Case{3650 * day, sys_seconds(3636 * day), ""},
          Case{3650 * day, sys_seconds(3636 * day + 1s), "expires soon"}}) {
        const std::string concern = concern_about(life(each.life), each.now);
        CAPTURE(concern);
        CHECK(concern.empty() == each.concern.empty());
        CHECK(has(concern, each.concern));
    }
}

TEST_CASE("a certificate that has expired is warned of when it is loaded, and again and again")
{
    const Certificate good({.common_name = "x"});
    const Certificate expired({.common_name = "y", .valid_for = -60});
    asio::io_context io(1);
    CertificatesInUse loaded(io, 1ms);
    const auto warnings = [](const std::string& log) {
        const auto lines = std::ranges::count(log, '\n');
        CAPTURE(log);
        CHECK((lines == 0 || has(log, "SIGHUP")));
        return lines;
    };
    CHECK(warnings(log_of([&] { loaded.take_certificates({good.path(), expired.path()}); })) == 1);
    CHECK(warnings(log_of([&] {
              io.run_one();
              io.run_one();
          })) == 2);
    CHECK(warnings(log_of([&] { loaded.take_certificates({good.path()}); })) == 0);
    CHECK(warnings(log_of([&] { io.run_one(); })) == 0);
}
