#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "common/relay/stream_framer.hpp"
#include "tests/support/stream_frames.hpp"

using namespace std::string_view_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

using Outcome = StreamFramer::Outcome;

std::string text_of(std::span<const std::byte> bytes)
{
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// What a framer makes of `bytes`, in pieces of one size.
struct Result {
    std::string payload;
    std::string rest;
    std::size_t headers = 0;
    Outcome outcome = Outcome::more;
};

Result take_off(StreamFramer& framer, std::string bytes, std::size_t piece)
{
    Result result;
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
        const auto part = std::as_writable_bytes(std::span(bytes))
                              .subspan(at)
                              .first(std::min(piece, bytes.size() - at));
        if (result.outcome != Outcome::more || !framer.takes_off()) {
            (result.outcome == Outcome::ended ? result.rest : result.payload) += text_of(part);
            continue;
        }
        const StreamFramer::Taken taken = framer.take_off(part);
        result.payload += text_of(taken.payload);
        result.rest += text_of(taken.rest);
        result.headers += taken.headers;
        result.outcome = taken.outcome;
    }
    return result;
}

} // namespace

TEST_CASE("frames are taken off in pieces of any size, and what follows the end is not touched")
{
    const std::string bytes = start_frame + data_frame("hello, ") +
                              stream_frame(static_cast<StreamFrame>(200), "of a later version") +
                              data_frame("") + data_frame("world") + end_frame + "the next stream";
    for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
        CAPTURE(piece);
        StreamFramer framer(Framing::takes_off);
        const Result result = take_off(framer, bytes, piece);
        CHECK(result.payload == "hello, world");
        CHECK(result.outcome == Outcome::ended);
        CHECK(result.rest == "the next stream");
        CHECK(result.headers == 6);
        CHECK(framer.heard_start());
        CHECK(framer.in_frames()); // so the connection can carry another stream
    }
}

TEST_CASE("from a raw frame on everything is the stream's")
{
    const std::string bytes = data_frame("one ") + raw_frame + end_frame + "two";
    for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
        CAPTURE(piece);
        StreamFramer framer(Framing::takes_off);
        const Result result = take_off(framer, bytes, piece);
        CHECK(result.payload == "one " + end_frame + "two");
        CHECK(result.outcome == Outcome::more);
        CHECK_FALSE(framer.in_frames());
    }
}

TEST_CASE("a refusal is the whole body of its frame, and nothing is heard of a start")
{
    const std::string bytes = stream_frame(StreamFrame::refuse, "the reason");
    for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
        CAPTURE(piece);
        StreamFramer framer(Framing::takes_off);
        CHECK(take_off(framer, bytes, piece).outcome == Outcome::refused);
        CHECK(framer.take_refusal() == "the reason");
        CHECK_FALSE(framer.heard_start());
    }
    StreamFramer framer(Framing::takes_off);
    CHECK(take_off(framer, stream_frame(StreamFrame::refuse), 3).outcome == Outcome::refused);
    CHECK(framer.take_refusal().empty());
}

TEST_CASE("a frame that is smaller than its header is malformed")
{
    for (const char size : {'\0', '\1', '\2'}) {
        StreamFramer framer(Framing::takes_off);
        CHECK(take_off(framer, {'\0', size, '\x0c'}, 3).outcome == Outcome::malformed);
    }
}

TEST_CASE("data is heard as a start, and a frame of a later version is not")
{
    StreamFramer framer(Framing::takes_off);
    take_off(framer, stream_frame(static_cast<StreamFrame>(200), "x"), 1);
    CHECK_FALSE(framer.heard_start());
    take_off(framer, data_frame("").substr(0, 2), 1);
    CHECK_FALSE(framer.heard_start());
    take_off(framer, data_frame("").substr(2), 1);
    CHECK(framer.heard_start());
}

TEST_CASE("headers are added until one says that the stream goes on raw")
{
    StreamFramer framer(Framing::adds);
    std::array<std::byte, frame_header_size> header{};
    framer.add_header(header, 5, false);
    CHECK(text_of(header) + "hello" == data_frame("hello"));
    framer.add_header(header, 0xffff - frame_header_size, false);
    CHECK(text_of(header) == "\xff\xff\x0c"sv);
    CHECK(framer.adds());
    framer.add_header(header, 60'000, true);
    CHECK(text_of(header) == raw_frame);
    CHECK_FALSE(framer.adds());
    CHECK_FALSE(framer.in_frames());
}

TEST_CASE("what one framer adds another takes off")
{
    StreamFramer adds(Framing::adds);
    StreamFramer takes(Framing::takes_off);
    std::string sent;
    std::string came;
    for (std::size_t size = 0; size < 300; size += 7) {
        const std::string piece(size, static_cast<char>('a' + size % 26));
        std::string bytes = std::string(frame_header_size, '\0') + piece;
        adds.add_header(std::as_writable_bytes(std::span(bytes)).first<frame_header_size>(), size,
                        false);
        sent += piece;
        came += take_off(takes, bytes, 1 + size % 5).payload;
    }
    CHECK(came == sent);
}
