#include <doctest/doctest.h>

#include "common/security/certificate_host.hpp"

using namespace tunnel;

TEST_CASE("a certificate is asked for the host without its last dot and without a zone")
{
    CHECK(certificate_host("example.com") == "example.com");
    CHECK(certificate_host("example.com.") == "example.com");
    CHECK(certificate_host("192.0.2.1") == "192.0.2.1");
    CHECK(certificate_host("fe80::1%eth0") == "fe80::1");
    CHECK(certificate_host("fe80::1%eth0.100") == "fe80::1");
    CHECK(certificate_host("::1") == "::1");
    CHECK(certificate_host(".") == ".");
    CHECK(certificate_host("").empty());
}
