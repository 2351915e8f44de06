// Frames as values and bytes: what is encoded is decoded again, anything else is refused.
#include <doctest/doctest.h>

#include "common/base/asio.hpp"
#include "tests/unit/random_frame.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

using Bytes = std::span<const std::uint8_t>;

Bytes bytes_of(std::string_view text)
{
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

FrameHeader header_of(std::string_view frame)
{
    return decode_header(bytes_of(frame).first<FrameHeader::wire_size>()).value();
}

Bytes body_of(std::string_view frame)
{
    return bytes_of(frame).subspan(FrameHeader::wire_size);
}

std::optional<Frame> decoded(std::string_view frame)
{
    return decode(header_of(frame).kind, body_of(frame));
}

std::string field(int tag, std::string_view value)
{
    std::string bytes{static_cast<char>(tag), static_cast<char>(value.size() >> 8),
                      static_cast<char>(value.size() & 0xff)};
    return bytes += value;
}

std::optional<Frame> decoded(FrameKind kind, std::string_view body)
{
    return decode(static_cast<std::uint8_t>(kind), bytes_of(body));
}

constexpr int feature_tag = 5;
constexpr int service_tag = 6;
constexpr int text_tag = 11;
constexpr int ticket_tag = 12;
constexpr int login_tag = 30;
constexpr int tag_of_the_future = 200;

} // namespace

TEST_CASE("every frame is decoded to what was encoded, and its header tells its size")
{
    Random random;
    for (std::size_t round = 0; round < 200; ++round) {
        for (std::size_t kind = 0; kind < frame_kinds; ++kind) {
            CAPTURE(kind);
            const Frame frame = random_frame(random, kind);
            const std::string bytes = encode(frame);
            REQUIRE(bytes.size() <= 65535);
            REQUIRE(header_of(bytes).body_size == bytes.size() - FrameHeader::wire_size);
            const auto again = decoded(bytes);
            REQUIRE(again.has_value());
            REQUIRE((*again == frame));
        }
    }
}

TEST_CASE("a frame that is cut anywhere is refused")
{
    Random random;
    for (std::size_t kind = 0; kind < frame_kinds; ++kind) {
        CAPTURE(kind);
        const std::string bytes = encode(random_frame(random, kind));
        const Bytes body = body_of(bytes);
        for (std::size_t size = 0; size < body.size(); ++size)
            REQUIRE_FALSE(decode(header_of(bytes).kind, body.first(size)));
    }
}

TEST_CASE("bytes after the last field make a frame malformed")
{
    Random random;
    for (std::size_t kind = 0; kind < frame_kinds; ++kind) {
        CAPTURE(kind);
        CHECK_FALSE(decoded(encode(random_frame(random, kind)) + "x"));
        CHECK_FALSE(decoded(encode(random_frame(random, kind)) + "xy"));
    }
}

TEST_CASE("a header that is smaller than itself is refused")
{
    for (std::uint8_t size = 0; size < FrameHeader::wire_size; ++size) {
        const std::array<std::uint8_t, 3> header{0, size, 8};
        CHECK_FALSE(decode_header(header));
    }
    const std::array<std::uint8_t, 3> smallest{0, 3, 8};
    CHECK(decode_header(smallest)->body_size == 0);
    const std::array<std::uint8_t, 3> largest{0xff, 0xff, 9};
    CHECK(decode_header(largest)->body_size == 65532);
    CHECK(decode_header(largest)->kind == 9);
}

TEST_CASE("random bytes are refused, or decoded to something that survives a round trip")
{
    Random random;
    std::size_t accepted = 0;
    for (std::size_t round = 0; round < 20'000; ++round) {
        const std::string body = random.text();
        const auto frame = decode(static_cast<std::uint8_t>(random.below(14)), bytes_of(body));
        if (!frame)
            continue;
        ++accepted;
        REQUIRE((decoded(encode(*frame)) == frame));
    }
    CHECK(accepted > 0);
}

TEST_CASE("a frame with one damaged byte is refused, or decoded to something sensible")
{
    Random random;
    std::size_t refused = 0;
    for (std::size_t round = 0; round < 20'000; ++round) {
        std::string bytes = encode(random_frame(random, round % frame_kinds));
        bytes[random.below(bytes.size())] = random.number<char>();
        const auto frame = decode(static_cast<std::uint8_t>(bytes[2]), body_of(bytes));
        if (frame)
            REQUIRE((decoded(encode(*frame)) == frame));
        else
            ++refused;
    }
    CHECK(refused > 0);
}

TEST_CASE("an unknown kind becomes Unknown, whatever fields it has")
{
    for (int kind : {0, 12, 13, 100, 255}) {
        CAPTURE(kind);
        const auto expected = Unknown{static_cast<std::uint8_t>(kind)};
        CHECK((decoded(FrameKind(kind), "") == Frame(expected)));
        CHECK((decoded(FrameKind(kind), field(tag_of_the_future, "x")) == Frame(expected)));
    }
}

TEST_CASE("an unknown field is skipped, wherever it stands")
{
    const std::string known = field(text_tag, "words");
    const std::string unknown = field(tag_of_the_future, "from a later version");
    const std::string empty = field(0, "");
    const Frame notice = Notice{"words"};
    CHECK((decoded(FrameKind::notice, unknown + known) == notice));
    CHECK((decoded(FrameKind::notice, known + unknown) == notice));
    CHECK((decoded(FrameKind::notice, empty + unknown + known + empty) == notice));
    CHECK((decoded(FrameKind::heartbeat, unknown) == Frame(Heartbeat())));
    CHECK_FALSE(decoded(FrameKind::notice, unknown));
}

TEST_CASE("of a repeated field the first counts, of features all")
{
    CHECK((decoded(FrameKind::notice, field(text_tag, "first") + field(text_tag, "second")) ==
           Frame(Notice{"first"})));
    // The first counts even when it is wrong and the second would be right.
    CHECK_FALSE(decoded(FrameKind::dial_back,
                        field(ticket_tag, "short") + field(ticket_tag, std::string(16, 't'))));
    Welcome welcome;
    welcome.features = {"one", "one", "two"};
    CHECK((decoded(encode(welcome)) == Frame(welcome)));
}

TEST_CASE("a field of the wrong size is refused")
{
    for (const std::size_t size : {0, 1, 15, 17, 32})
        CHECK_FALSE(decoded(FrameKind::dial_back, field(ticket_tag, std::string(size, 't'))));
    CHECK(decoded(FrameKind::dial_back, field(ticket_tag, std::string(16, 't'))).has_value());
    const std::string words = field(text_tag, "words");
    CHECK_FALSE(decoded(FrameKind::reject, field(10, "") + words));
    CHECK_FALSE(decoded(FrameKind::reject, field(10, "xx") + words));
    CHECK(decoded(FrameKind::reject, field(10, "x") + words).has_value());
    CHECK(decoded(FrameKind::notice, field(text_tag, std::string(longest_text, 'x'))).has_value());
    CHECK_FALSE(decoded(FrameKind::notice, field(text_tag, std::string(longest_text + 1, 'x'))));
}

TEST_CASE("a text is cut at the longest, and features beyond the 32nd are left out")
{
    const auto notice = decoded(encode(Notice{std::string(100'000, 'x')}));
    CHECK((notice == Frame(Notice{std::string(longest_text, 'x')})));
    LogIn log_in;
    log_in.program_version = std::string(70'000, 'p');
    log_in.service = std::string(70'000, 's');
    log_in.features.assign(1000, std::string(70'000, 'f'));
    const std::string bytes = encode(log_in);
    CHECK(bytes.size() <= 65535);
    const auto frame = decoded(bytes);
    REQUIRE(frame.has_value());
    CHECK(std::get<LogIn>(*frame).features.size() == 32);
    CHECK(std::get<LogIn>(*frame).service.size() == longest_text);
}

TEST_CASE("a duration of the peer cannot overflow our clock")
{
    Welcome welcome;
    welcome.heartbeat_timeout = std::chrono::milliseconds::max();
    const auto frame = decoded(encode(welcome));
    REQUIRE(frame.has_value());
    const auto timeout = std::get<Welcome>(*frame).heartbeat_timeout;
    CHECK(timeout == 366 * 24h);
    CHECK(Clock::now() + timeout > Clock::now());
}

TEST_CASE("a frame of 21,000 fields is decoded quickly")
{
    for (const int tag : {tag_of_the_future, feature_tag, text_tag, 0}) {
        std::string body;
        for (std::size_t i = 0; i < 21'000; ++i)
            body += field(tag, "");
        REQUIRE(body.size() + FrameHeader::wire_size <= 65535);
        for (std::uint8_t kind = 0; kind <= 12; ++kind) {
            const auto begin = Clock::now();
            static_cast<void>(decode(kind, bytes_of(body)));
            CHECK(Clock::now() - begin < 250ms); // about 1 ms; sanitizers take more
        }
    }
}

TEST_CASE("two proxies speak the highest version that both know")
{
    static_assert(lowest_version == 1 && highest_version == 1, "extend the table");
    CHECK(common_version(1, 1) == 1);
    CHECK(common_version(0, 1) == 1);
    CHECK(common_version(1, 9) == 1);
    CHECK(common_version(0, 65535) == 1);
    CHECK_FALSE(common_version(2, 9));
    CHECK_FALSE(common_version(0, 0));
    CHECK_FALSE(common_version(2, 1)); // upside down
    CHECK_FALSE(common_version(65535, 0));
}

TEST_CASE("more logins than a service can have are left out, and refused where they come")
{
    Offer offer{"web"};
    offer.http.logins.assign(most_logins + 1, "a:$x");
    const auto cut = decoded(encode(offer));
    REQUIRE(cut);
    CHECK(std::get<Offer>(*cut).http.logins.size() == most_logins);
    std::string body;
    for (std::size_t i = 0; i < most_logins; ++i)
        body += field(login_tag, "a:$x");
    CHECK(decoded(FrameKind::offer, body + field(service_tag, "web")));
    CHECK_FALSE(decoded(FrameKind::offer, body + field(login_tag, "x") + field(service_tag, "w")));
}

TEST_CASE("logins have a bound for all their bytes, so that an offer fits a frame")
{
    Offer offer{"web"};
    offer.http.logins.assign(most_logins, std::string(longest_text, 'x'));
    const std::string bytes = encode(offer);
    CHECK(bytes.size() < largest_logins + 100);
    const auto cut = decoded(bytes);
    REQUIRE(cut);
    CHECK(std::get<Offer>(*cut).http.logins.size() == largest_logins / (longest_text + 1));
    std::string body;
    for (std::size_t i = 0; i <= largest_logins / (longest_text + 1); ++i)
        body += field(login_tag, std::string(longest_text, 'x'));
    CHECK_FALSE(decoded(FrameKind::offer, body + field(service_tag, "web")));
}
