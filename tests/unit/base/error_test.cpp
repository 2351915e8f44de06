#include <doctest/doctest.h>

#include "common/base/code.hpp"
#include "common/base/error.hpp"

using namespace tunnel;

namespace {

std::system_error thrown_by_fail(std::error_code code, const std::string& what)
{
    try {
        fail(code, what);
    } catch (const std::system_error& error) {
        return error;
    }
}

} // namespace

TEST_CASE("a failure tells what was being done before what happened")
{
    const auto error = thrown_by_fail(Errc::heartbeat_timeout, "dial 192.0.2.1:80");
    CHECK(error.code() == Errc::heartbeat_timeout);
    CHECK(std::string(error.what()) == "dial 192.0.2.1:80: no heartbeat from the peer");
    CHECK(std::string(thrown_by_fail(rejected(Code::in_use), "").what()) ==
          "rejected by the remote proxy");
}

TEST_CASE("each failure of our own has words of its own")
{
    const std::error_code unknown(999, error_category());
    CHECK(unknown.message() == "unknown error");
    for (int first = 1; first <= static_cast<int>(Errc::malformed_proxy_header); ++first) {
        const std::error_code error(first, error_category());
        CHECK(error);
        CHECK(error.message() != unknown.message());
        for (int second = 1; second < first; ++second)
            CHECK(error.message() != std::error_code(second, error_category()).message());
    }
    CHECK(std::string(error_category().name()) == "tunnel");
}
