#include <doctest/doctest.h>

#include "remote-proxy/http/http_service_counts.hpp"

using namespace tunnel;

TEST_CASE("responses are counted by class, and a status that is none is not counted")
{
    HttpServiceCounts counts;
    for (const unsigned status :
         {0U, 99U, 100U, 199U, 200U, 204U, 299U, 304U, 404U, 500U, 599U, 600U, 999U})
        counts.count_response(status);
    CHECK(counts.responses(0) == 2);
    CHECK(counts.responses(1) == 3);
    CHECK(counts.responses(2) == 1);
    CHECK(counts.responses(3) == 1);
    CHECK(counts.responses(4) == 2);
    CHECK(counts.requests() == 0);
    counts.count_request();
    CHECK(counts.requests() == 1);
}

TEST_CASE("each answer of ours is counted under its code, others as failed")
{
    HttpServiceCounts counts;
    for (const Code code : HttpServiceCounts::own_codes)
        counts.count_own(code);
    for (std::size_t i = 0; i < HttpServiceCounts::own_codes.size(); ++i)
        CHECK(counts.own(i) == 1);
    counts.count_own(Code::heartbeat_timeout);
    CHECK(counts.own(HttpServiceCounts::own_codes.size() - 1) == 2);
}
