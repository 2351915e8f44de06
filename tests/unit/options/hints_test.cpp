// What is said of a value that is none: what was most likely meant.
#include <doctest/doctest.h>

#include <utility>

#include "common/options/management_options.hpp"
#include "common/options/nearest_name.hpp"
#include "common/options/text_values.hpp"
#include "common/options/value_hints.hpp"
#include "common/transport/address_hint.hpp"
#include "common/transport/server_address.hpp"

using namespace tunnel;

namespace {

using Cases = std::vector<std::pair<std::string, std::string>>;

template <class Read>
std::string refusal_of(const Read& read)
{
    try {
        read();
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
    return "taken";
}

bool contains(const std::string& text, std::string_view part)
{
    return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("the nearest name has a letter too many, too few, wrong or exchanged, or goes on")
{
    const std::vector<std::string> names{"control-addr", "outside-addr", "web", "warn", "status"};
    for (const auto& each : Cases{{"contol-addr", "control-addr"},
                                  {"control_addr", "control-addr"},
                                  {"CONTROL-ADDR", "control-addr"},
                                  {"control-adr", "control-addr"},
                                  {"outside-address", "outside-addr"},
                                  {"wbe", "web"},
                                  {"we", "web"},
                                  {"wran", "warn"},
                                  {"stat", "status"},
                                  {"statsu", "status"},
                                  {"control", "control-addr"},
                                  {"elsewhere", ""},
                                  {"", ""},
                                  {std::string(65, 'w'), ""}}) {
        const std::string& typed = each.first;
        const std::string& meant = each.second;
        CAPTURE(typed);
        CHECK(nearest(typed, names) == meant);
    }
    CHECK(did_you_mean("wbe", names) == "did you mean web?");
    CHECK(did_you_mean("nothing", names) == "");
}

TEST_CASE("an address that is none is answered with what was meant")
{
    for (const auto& each :
         Cases{{"9000", "did you mean :9000?"},
               {"99999", "a port is at most 65535"},
               {":99999", "a port is at most 65535"},
               {"example.com:65536", "a port is at most 65535"},
               {"[::1]:70000", ""},
               {"http://example.com:9001/",
                "without http:// and path: did you mean example.com:9001?"},
               {"https://example.com", "without https://: did you mean example.com:443?"},
               {"tcp://example.com:9001", "without tcp://: did you mean example.com:9001?"},
               {"http://example.com/a", "without http:// and path: did you mean example.com:80?"},
               {"tcp://example.com",
                "without tcp://; the port is missing: did you mean example.com:PORT?"},
               {"example.com:9001/", "an address has no user and no path: did you mean "
                                     "example.com:9001?"},
               {"me@example.com:22", "an address has no user and no path: did you mean "
                                     "example.com:22?"},
               {"example.com", "the port is missing: did you mean example.com:PORT?"},
               {"example.com:", "the port is missing: did you mean example.com:PORT?"},
               {"192.0.2.1", "the port is missing: did you mean 192.0.2.1:PORT?"},
               {"[::1]", "the port is missing: did you mean [::1]:PORT?"},
               {"[::1", "the ] is missing: did you mean [::1]:PORT?"},
               {"[::1:9000", "the ] is missing: did you mean [::1]:9000?"},
               {"::1:9000", "an IPv6 address stands in brackets: did you mean [::1]:9000?"},
               {"[::1]9000", "did you mean [::1]:9000?"},
               {"[localhost]:80", "did you mean localhost:80?"},
               {" example.com:9001", "did you mean example.com:9001?"},
               {"example.com:9001\n", "did you mean example.com:9001?"},
               {"example.com 9001", "did you mean example.com:9001?"},
               {"example.com : 9001", "did you mean example.com:9001?"},
               {"a b:9000", "an address has no spaces"},
               {"localhost:http", "a port is a number: did you mean localhost:80?"},
               {"localhost:web", "a port is a number"},
               {"*:9000", "did you mean :9000?"},
               {"9000:localhost", "did you mean localhost:9000?"},
               {"unix:/run/a.sock", "a Unix socket cannot be given here"},
               {"/run/a.sock", "a Unix socket cannot be given here"},
               {"localhost:80-90", "it is one port here, and not several side by side"},
               {"", ""}}) {
        const std::string& text = each.first;
        const std::string& hint = each.second;
        CAPTURE(text);
        if (text != "[::1]:70000")
            CHECK(hint_for_address(text, AddressForms::tcp) == hint);
        const std::string why = refusal_of([&text] { read_address(text); });
        CHECK(contains(why, "is not an address such as"));
        CHECK(contains(why, hint));
    }
    for (const auto* const text : {"9057", "*:9057"}) // where others may not connect
        CHECK(contains(refusal_of([text] { read_management_address(text); }),
                       "did you mean 127.0.0.1:9057?"));
    CHECK(hint_for_address("/run/a.sock", AddressForms::tcp_or_unix) ==
          "did you mean unix:/run/a.sock?");
    CHECK(hint_for_address("unix:///run/a.sock", AddressForms::tcp_or_unix) ==
          "did you mean unix:/run/a.sock?");
}

TEST_CASE("every kind of address has the same hints")
{
    for (const auto& why :
         {refusal_of([] { read_address("9000"); }), refusal_of([] { read_server_address("9000"); }),
          refusal_of([] { read_address_range("9000"); })}) {
        CAPTURE(why);
        CHECK(contains(why, "did you mean :9000?"));
    }
    CHECK(contains(refusal_of([] { read_server_address("unix:run/a.sock"); }),
                   "did you mean unix:/run/a.sock?"));
    CHECK(contains(refusal_of([] { read_management_address("unix:" + std::string(200, 'a')); }),
                   "at most 107 bytes"));
}

TEST_CASE("what is meant by an address is one, where it can be told in full")
{
    for (const std::string text : {"9000", "http://example.com:9001/", "[::1:9000", "::1:80",
                                   "example.com 9001", "*:9000", "localhost:https"}) {
        const std::string hint = hint_for_address(text, AddressForms::tcp);
        const std::size_t begin = hint.rfind("did you mean ") + 13;
        CHECK_MESSAGE(parse_address(hint.substr(begin, hint.size() - begin - 1)), hint);
    }
}

TEST_CASE("a duration that is none is answered with what was meant")
{
    const auto hint = [](std::string_view text) {
        return hint_for_duration(text, milliseconds(1), milliseconds(1));
    };
    for (const auto& each : Cases{{"5", "5s"},
                                  {"5 s", "5s"},
                                  {"5S", "5s"},
                                  {"5sec", "5s"},
                                  {"5 seconds", "5s"},
                                  {"2min", "2m"},
                                  {"1.5s", "1500ms"},
                                  {"0.5h", "30m"},
                                  {"1h30m", "90m"},
                                  {"1d", "24h"},
                                  {"2 weeks", "336h"},
                                  {"250msec", "250ms"},
                                  {"5 ms", "5ms"}}) {
        const std::string& text = each.first;
        const std::string& meant = each.second;
        CAPTURE(text);
        CHECK(hint(text) == "did you mean " + meant + "?");
        CHECK(
            contains(refusal_of([&text] { read_duration(text); }), "did you mean " + meant + "?"));
    }
    for (const std::string text :
         {"soon", "", "-5s", "5 parsecs", "99999999999999999999s", "0.1ms", "never", "1e9h"}) {
        CAPTURE(text);
        CHECK(hint(text) == "");
        CHECK(contains(refusal_of([&text] { read_duration(text); }), "250ms, 5s, 2m or 1h"));
    }
    CHECK(hint_for_duration("never", milliseconds(1), milliseconds(0)) == "did you mean 0?");
}

TEST_CASE("a rate that is none is answered with what was meant")
{
    for (const auto& each : Cases{{"10", "10MB/s or 10Mbit/s"},
                                  {"10M", "10MB/s or 10Mbit/s"},
                                  {"10mb", "10MB/s or 10Mbit/s"},
                                  {"10mbit", "10Mbit/s"},
                                  {"10mbps", "10Mbit/s"},
                                  {"10MBps", "10MB/s"},
                                  {"10 MB/s", "10MB/s"},
                                  {"10MiB", "10MiB/s"},
                                  {"1.5MB/s", "1500kB/s"},
                                  {"512k", "512kB/s or 512kbit/s"},
                                  {"2000000", "2000000B/s"},
                                  {"unlimited", "off"},
                                  {"0", "off"},
                                  {"none", "off"}}) {
        const std::string& text = each.first;
        const std::string& meant = each.second;
        CAPTURE(text);
        CHECK(hint_for_rate(text) == "did you mean " + meant + "?");
        CHECK(contains(refusal_of([&text] { read_rate(text); }), meant));
    }
    for (const std::string text : {"fast", "", "1 parsec/s", "-1MB/s", "10TB/h"})
        CHECK(hint_for_rate(text) == "");
}

TEST_CASE("a network that is none is answered with what was meant")
{
    for (const auto& each : Cases{{"10.0.0/8", "10.0.0.0/8"},
                                  {"10.0.0.0/255.0.0.0", "10.0.0.0/8"},
                                  {"10.*", "10.0.0.0/8"},
                                  {"192.0.2.*", "192.0.2.0/24"},
                                  {"[::1]", "::1"},
                                  {"192.0.2.1:80", "192.0.2.1"},
                                  {" 10.0.0.0/8", "10.0.0.0/8"},
                                  {"*", "0.0.0.0/0,::/0"},
                                  {"localhost", "127.0.0.0/8 or ::1"}}) {
        const std::string& text = each.first;
        const std::string& meant = each.second;
        CAPTURE(text);
        CHECK(contains(hint_for_network(text), "did you mean " + meant + "?"));
        CHECK(contains(refusal_of([&text] { read_network(text); }), meant));
    }
    CHECK(contains(refusal_of([] { read_network("10.0.0.0/33"); }), "a number from 0 to 32"));
    CHECK(contains(refusal_of([] { read_network("10.0.0.1/8"); }), "did you mean 10.0.0.0/8?"));
    CHECK(hint_for_network("example.com") == "");
}
