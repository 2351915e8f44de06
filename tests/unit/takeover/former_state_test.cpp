#include <doctest/doctest.h>

#include "remote-proxy/takeover/former_state.hpp"

using namespace tunnel;

TEST_CASE("what a remote proxy tells its successor is understood as it was meant")
{
    FormerState state;
    CHECK((parse_former_state(to_text(state)) == state));
    state.saved.drained_services = {"web", "mäuse"};
    state.open = {"roof/nas/web", "default"};
    state.offered = {"roof/nas/web"};
    state.hosts = {{"roof/nas/app", "k3j4.example.com"}};
    CHECK((parse_former_state(to_text(state)) == state));
}

TEST_CASE("a state that makes no sense is refused in words")
{
    for (const char* const text :
         {"", "{}", R"({"saved": 7, "open": [], "offered": [], "hosts": {}})",
          R"({"saved": "{}", "open": [1], "offered": [], "hosts": {}})"})
        CHECK_THROWS_AS(parse_former_state(text), const std::runtime_error&);
}
