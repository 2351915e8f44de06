// The wire format, byte by byte. A change here makes a new proxy unable to talk to an old one: add
// a field or a version instead.
#include <doctest/doctest.h>

#include <numeric>

#include <fmt/format.h>

#include "common/protocol/frame.hpp"

using namespace std::chrono_literals;
using namespace tunnel;

namespace {

// "00 03 08": two digits for each byte. A ' before a word stands for its characters.
std::string bytes(std::string_view text)
{
    std::string result;
    while (!text.empty()) {
        const std::string_view word = text.substr(0, text.find(' '));
        text.remove_prefix(std::min(text.size(), word.size() + 1));
        if (word.starts_with('\''))
            result += word.substr(1);
        else
            result += static_cast<char>(std::stoi(std::string(word), nullptr, 16));
    }
    return result;
}

std::string in_hex(std::string_view text)
{
    std::string result;
    for (const unsigned char byte : text)
        result += fmt::format("{:02x} ", byte);
    return result;
}

RandomBytes counting_from(std::uint8_t first)
{
    RandomBytes bytes;
    std::iota(bytes.begin(), bytes.end(), first);
    return bytes;
}

// Both ways: the bytes of `frame` and the frame of those bytes.
void check_format(const Frame& frame, std::string_view expected)
{
    const std::string wire = bytes(expected);
    CHECK(in_hex(encode(frame)) == in_hex(wire));
    const std::span<const std::uint8_t> body(reinterpret_cast<const std::uint8_t*>(wire.data()) +
                                                 FrameHeader::wire_size,
                                             wire.size() - FrameHeader::wire_size);
    CHECK((decode(static_cast<std::uint8_t>(wire[2]), body) == frame));
}

} // namespace

TEST_CASE("the magic is the byte f4 and TRP")
{
    CHECK(magic == std::array<std::uint8_t, 4>{0xf4, 0x54, 0x52, 0x50});
}

TEST_CASE("the format of log_in is fixed")
{
    LogIn log_in;
    log_in.lowest_version = 1;
    log_in.highest_version = 0x0203;
    log_in.program_version = "0.1.0";
    log_in.features = {"a", "bc"};
    log_in.origin.bytes = counting_from(0);
    log_in.heartbeat_timeout = 15s;
    check_format(log_in, "00 46 01 "
                         "01 00 02 00 01 "
                         "02 00 02 02 03 "
                         "04 00 05 '0.1.0 "
                         "05 00 01 'a "
                         "05 00 02 'bc "
                         "06 00 07 'default "
                         "07 00 10 00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f "
                         "08 00 08 00 00 00 00 00 00 3a 98");
}

TEST_CASE("the format of welcome is fixed")
{
    Welcome welcome;
    welcome.version = 1;
    welcome.program_version = "0.1.0";
    welcome.outside_address = "192.0.2.1:80";
    welcome.heartbeat_timeout = 1ms;
    check_format(welcome, "00 2a 02 "
                          "03 00 02 00 01 "
                          "04 00 05 '0.1.0 "
                          "09 00 0c '192.0.2.1:80 "
                          "08 00 08 00 00 00 00 00 00 00 01");
}

TEST_CASE("the format of reject is fixed")
{
    check_format(Reject{RejectReason::version, "v"}, "00 0b 03 0a 00 01 01 0b 00 01 'v");
    check_format(Reject{RejectReason::service, ""}, "00 0a 03 0a 00 01 02 0b 00 00");
    check_format(Reject{RejectReason::in_use, ""}, "00 0a 03 0a 00 01 03 0b 00 00");
    check_format(Reject{RejectReason::shutting_down, ""}, "00 0a 03 0a 00 01 04 0b 00 00");
}

TEST_CASE("the format of announce is fixed")
{
    check_format(Announce{Ticket{counting_from(0xf0)}, "192.0.2.7:1234", "default"},
                 "00 31 04 "
                 "0c 00 10 f0 f1 f2 f3 f4 f5 f6 f7 f8 f9 fa fb fc fd fe ff "
                 "0d 00 0e '192.0.2.7:1234 "
                 "06 00 07 'default");
}

TEST_CASE("the format of dial_back is fixed")
{
    check_format(DialBack{Ticket{counting_from(1)}},
                 "00 16 05 0c 00 10 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f 10");
}

TEST_CASE("the format of what is proved without encryption is fixed")
{
    ProofBytes proof{};
    std::iota(proof.begin(), proof.end(), std::uint8_t{0x20});
    const std::string proof_field = "11 00 20 20 21 22 23 24 25 26 27 28 29 2a 2b 2c 2d 2e 2f "
                                    "30 31 32 33 34 35 36 37 38 39 3a 3b 3c 3d 3e 3f";
    const std::string nonce = "10 00 10 10 11 12 13 14 15 16 17 18 19 1a 1b 1c 1d 1e 1f ";
    const std::string ticket = "0c 00 10 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f 10 ";
    const std::string session = "0e 00 10 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f 10 ";
    check_format(DialBack{Ticket{counting_from(1)}, proof},
                 "00 39 05 " + proof_field + " " + ticket);
    check_format(Park{SessionId{counting_from(1)}, Park::Numbered{0x0102, proof}},
                 "00 44 0f 12 00 08 00 00 00 00 00 00 01 02 " + proof_field + " " + session);
    check_format(Challenge{counting_from(0x10), proof}, "00 39 10 " + nonce + proof_field);
    check_format(Proof{proof}, "00 26 11 " + proof_field);
}

TEST_CASE("the format of refuse is fixed")
{
    check_format(Refuse{Ticket{counting_from(1)}, "refused"},
                 "00 20 07 "
                 "0c 00 10 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f 10 "
                 "0b 00 07 'refused");
}

TEST_CASE("the format of what is said of HTTP in an offer is fixed")
{
    Offer offer{"web", ":8080"};
    offer.speaks_http = true;
    offer.http = {"localhost", true, {"a:$x", "b:$y"}};
    check_format(offer, "00 33 12 "
                        "09 00 05 ':8080 "
                        "1b 00 01 01 "
                        "1c 00 09 'localhost "
                        "1d 00 01 01 "
                        "1e 00 04 'a:$x "
                        "1e 00 04 'b:$y "
                        "06 00 03 'web");
}

TEST_CASE("a code of a later version is taken for the one of an older version")
{
    std::string bytes = encode(Goodbye{"bye", Code::reconnecting});
    bytes.replace(bytes.find("reconnecting"), 12, "tomorrow_new");
    const std::span body(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
    const auto frame = decode(bytes[2], body.subspan(3));
    REQUIRE(frame);
    CHECK(std::get<Goodbye>(*frame) == Goodbye{"bye"});
}

TEST_CASE("the format of frames with a text is fixed")
{
    check_format(Notice{"hello"}, "00 0b 0a 0b 00 05 'hello");
    check_format(Goodbye{"bye"}, "00 09 0b 0b 00 03 'bye");
    check_format(Goodbye{"bye", Code::reconnecting},
                 "00 18 0b 18 00 0c 'reconnecting 0b 00 03 'bye");
    check_format(Goodbye{""}, "00 06 0b 0b 00 00");
}

TEST_CASE("the format of what is told of an origin server's health is fixed")
{
    check_format(ServerHealth{"web", ServerState::ill, "answers-503"},
                 "00 1b 16 06 00 03 'web 13 00 01 02 0b 00 0b 'answers-503");
    check_format(ServerHealth{"web", ServerState::well, ""},
                 "00 10 16 06 00 03 'web 13 00 01 01 0b 00 00");
}

TEST_CASE("the format of frames without fields is fixed")
{
    check_format(Start(), "00 03 06");
    check_format(Heartbeat(), "00 03 08");
    check_format(Probe(), "00 03 09");
    check_format(Move(), "00 03 17");
    check_format(Unknown{0xc8}, "00 03 c8");
}

TEST_CASE("the length of a field has its high byte first")
{
    const std::string wire = encode(Notice{std::string(0x0203, 'x')});
    CHECK(in_hex(wire.substr(0, 6)) == "02 09 0a 0b 02 03 ");
}

TEST_CASE("two identities are never alike")
{
    CHECK(random_bytes() != random_bytes());
    CHECK(random_bytes() != RandomBytes{});
}
