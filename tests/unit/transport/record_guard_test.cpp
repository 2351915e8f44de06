// What a TLS peer may send beside data. Records made by hand: nothing here is encrypted.
#include <doctest/doctest.h>

#include <string>

#include "common/transport/record_guard.hpp"

using namespace tunnel;

namespace {

constexpr std::size_t plenty = 1024 * 1024;

constexpr char change_cipher_spec = 20;
constexpr char alert = 21;
constexpr char handshake = 22;
constexpr char application_data = 23;

std::string record(char type, std::string_view body)
{
    return std::string{type, 3, 3, static_cast<char>(body.size() >> 8),
                       static_cast<char>(body.size())}
        .append(body);
}

std::string record(char type, std::size_t size)
{
    return record(type, std::string(size, 'x'));
}

// A handshake message of `size` bytes behind its header.
std::string message(std::size_t size)
{
    return std::string{1, static_cast<char>(size >> 16), static_cast<char>(size >> 8),
                       static_cast<char>(size)}
        .append(size, 'h');
}

// How many of `bytes` are taken, in pieces of `piece`.
std::size_t taken_of(RecordGuard& guard, std::string_view bytes, std::size_t piece)
{
    std::size_t taken = 0;
    while (taken < bytes.size()) {
        const std::string_view next = bytes.substr(taken, piece);
        if (!guard.take(std::as_bytes(std::span(next))))
            break;
        taken += next.size();
    }
    return taken;
}

bool takes(RecordGuard& guard, std::string_view bytes)
{
    return guard.take(std::as_bytes(std::span(bytes)));
}

RecordGuard after_handshake()
{
    RecordGuard guard(plenty);
    guard.handshake_done();
    return guard;
}

// Records without data, one after the other, that are taken before the connection has to end.
int records_taken(RecordGuard& guard, const std::string& bytes, int most)
{
    int taken = 0;
    while (taken < most && takes(guard, bytes))
        ++taken;
    return taken;
}

} // namespace

TEST_CASE("a hello is taken up to 16 KiB, and refused as soon as its header says that it is longer")
{
    const std::size_t largest = RecordGuard::largest_hello - 4;
    for (const std::size_t piece : {std::size_t{1}, std::size_t{5}, std::size_t{100'000}}) {
        CAPTURE(piece);
        RecordGuard guard(plenty);
        const std::string good = record(handshake, message(largest));
        CHECK(taken_of(guard, good, piece) == good.size());
        CHECK(guard.objection().empty());
        CHECK(guard.records() == 1);
        CHECK(guard.bytes() == good.size());
    }
    for (const std::size_t size : {largest + 1, std::size_t{130'816}, std::size_t{0xffffff}}) {
        CAPTURE(size);
        RecordGuard guard(plenty);
        const std::string start = record(handshake, message(size).substr(0, 4));
        CHECK(taken_of(guard, start, 1) == start.size() - 1);
        CHECK_FALSE(guard.objection().empty());
        CHECK_FALSE(takes(guard, "x")); // and nothing after it
    }
}

TEST_CASE("the header of a hello is found although it is cut into records")
{
    RecordGuard guard(plenty);
    for (const char byte : message(100'000).substr(0, 3))
        CHECK(takes(guard, record(handshake, std::string_view(&byte, 1))));
    CHECK_FALSE(takes(guard, record(handshake, std::string_view("\x01", 1))));
}

TEST_CASE("the second message of a record is looked at like the first")
{
    RecordGuard guard(plenty);
    const std::string second = message(RecordGuard::largest_hello).substr(0, 4);
    CHECK_FALSE(takes(guard, record(handshake, message(10) + message(0) + second)));
}

TEST_CASE("a handshake may come in 72 records of any kind and no more")
{
    for (const char type : {change_cipher_spec, alert, handshake, application_data}) {
        for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{30}}) {
            CAPTURE(size);
            RecordGuard guard(plenty);
            std::string body(size, '\0'); // as a handshake: messages without a body, and parts
            CHECK(records_taken(guard, record(type, body), 1000) == 72);
            CHECK_FALSE(guard.objection().empty());
        }
    }
}

TEST_CASE("a handshake may take as many bytes as it is told and no more")
{
    RecordGuard guard(50'000);
    const std::string bytes = record(application_data, 9995);
    CHECK(records_taken(guard, bytes, 1000) == 5);
    CHECK_FALSE(guard.objection().empty());
}

TEST_CASE("after the handshake bytes with data are not limited")
{
    RecordGuard guard(1000);
    guard.handshake_done();
    for (int i = 0; i < 1000; ++i) {
        REQUIRE(takes(guard, record(application_data, 16'000)));
        guard.data_came();
    }
    CHECK(guard.objection().empty());
    CHECK(guard.records() == 1000);
}

TEST_CASE("records without data are limited, whatever they are, and also if data comes between")
{
    for (const char type : {alert, handshake, application_data}) {
        RecordGuard guard = after_handshake();
        CHECK(records_taken(guard, record(type, 22), 1000) ==
              33); // of the last it is not known yet
        CHECK_FALSE(guard.objection().empty());
    }
    RecordGuard guard = after_handshake();
    int rounds = 0;
    while (rounds < 10'000 && takes(guard, record(application_data, 22)) &&
           takes(guard, record(application_data, 18))) {
        guard.data_came();
        ++rounds;
    }
    CHECK(rounds >= 32);
    CHECK(rounds < 40);
}

TEST_CASE("key updates as seldom as they are needed are taken for ever")
{
    RecordGuard guard = after_handshake();
    for (int round = 0; round < 1000; ++round) {
        REQUIRE(takes(guard, record(application_data, 22)));
        for (std::uint32_t i = 0; i < RecordGuard::data_records_for_one; ++i) {
            REQUIRE(takes(guard, record(application_data, 1000)));
            guard.data_came();
        }
    }
}

TEST_CASE("a long record without data is the last")
{
    RecordGuard guard = after_handshake();
    CHECK(takes(guard, record(application_data, 1024)));
    CHECK(takes(guard, record(application_data, 1025)));
    CHECK_FALSE(takes(guard, record(application_data, 22)));
}

TEST_CASE("a record whose data is taken in parts counts once")
{
    RecordGuard guard = after_handshake();
    for (int i = 0; i < 1000; ++i) {
        REQUIRE(takes(guard, record(application_data, 16'000)));
        for (int part = 0; part < 4; ++part)
            guard.data_came();
    }
    CHECK(guard.objection().empty());
}

TEST_CASE("what is split into pieces of any size is judged as the whole")
{
    std::string bytes;
    for (int i = 0; i < 40; ++i)
        bytes += record(application_data, static_cast<std::size_t>(i) * 7);
    for (std::size_t piece = 1; piece < 40; ++piece) {
        RecordGuard guard = after_handshake();
        CHECK(taken_of(guard, bytes, piece) < bytes.size());
        RecordGuard in_time = after_handshake();
        CHECK(taken_of(in_time, std::string_view(bytes).substr(0, 3000), piece) == 3000);
    }
}

TEST_CASE("once TLS 1.2 is agreed on, encrypted messages are not taken for long ones in clear")
{
    const std::string hello = record(handshake, message(500));
    const std::string rest = record(handshake, message(60)) + record(change_cipher_spec, "\x01") +
                             record(handshake, std::string(40, '\xff')); // a Finished
    for (const bool agreed : {true, false}) {
        CAPTURE(agreed);
        RecordGuard guard(plenty);
        CHECK(takes(guard, hello));
        if (agreed)
            guard.agreed_on_tls_1_2();
        CHECK(takes(guard, rest) == agreed);
    }
}

TEST_CASE("TLS 1.2 begins no second handshake")
{
    RecordGuard guard(plenty);
    CHECK(takes(guard, record(handshake, message(500))));
    guard.agreed_on_tls_1_2();
    guard.handshake_done();
    CHECK(takes(guard, record(application_data, 100)));
    guard.data_came();
    CHECK_FALSE(takes(guard, record(handshake, 40)));
    CHECK(guard.objection() == "a second TLS handshake on the same connection");
}
