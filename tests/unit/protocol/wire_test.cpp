// Frames over a real connection.
#include <doctest/doctest.h>

#include <openssl/ssl.h>

#include "common/base/deadline.hpp"
#include "common/base/error.hpp"
#include "common/base/task_group.hpp"
#include "common/protocol/wire.hpp"
#include "tests/support/secured.hpp"
#include "tests/unit/io.hpp"
#include "tests/unit/random_frame.hpp"

using namespace std::string_view_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

struct ChannelPair {
    explicit ChannelPair(asio::io_context& io) : ChannelPair(SocketPair(io)) {}

    explicit ChannelPair(SocketPair pair) : here(std::move(pair.here)), there(std::move(pair.there))
    {
    }

    AsyncChannel here;
    AsyncChannel there;
};

std::vector<Frame> every_kind()
{
    Random random;
    std::vector<Frame> frames;
    for (std::size_t kind = 0; kind + 1 < frame_kinds; ++kind) // not Unknown, which is skipped
        frames.push_back(random_frame(random, kind));
    return frames;
}

std::string encoded(const std::vector<Frame>& frames)
{
    std::string bytes;
    for (const Frame& frame : frames)
        bytes += encode(frame);
    return bytes;
}

// A frame of `size` bytes in all, most of them in fields that this version does not know.
std::string notice_of_size(std::size_t size)
{
    std::string bytes = encode(Notice{"large"});
    while (bytes.size() < size) {
        const std::size_t rest = size - bytes.size() - 3;
        bytes += {'\xc8', static_cast<char>(rest >> 8), static_cast<char>(rest & 0xff)};
        bytes.append(rest, 'x');
    }
    bytes[0] = static_cast<char>(size >> 8);
    bytes[1] = static_cast<char>(size & 0xff);
    return bytes;
}

awaitable<void> send_and_close(AsyncChannel& channel, std::string bytes)
{
    co_await send(channel, bytes);
    channel.socket().close();
}

awaitable<void> send_byte_by_byte(AsyncChannel& channel, std::string bytes)
{
    for (const char byte : bytes) {
        co_await send(channel, std::string(1, byte));
        co_await yield_to_others();
    }
    channel.socket().close();
}

// The frames that `next` reads until the connection ends.
template <class Next>
std::vector<Frame> frames_from(asio::io_context& io, Next next)
{
    std::vector<Frame> frames;
    const auto read_all = [&]() -> awaitable<void> {
        for (;;)
            frames.push_back(co_await next());
    };
    CHECK(failure_of(io, read_all()).code() == asio::error::eof);
    return frames;
}

} // namespace

TEST_CASE("frames are read however their bytes arrive")
{
    asio::io_context io;
    ChannelPair pair(io);
    TaskGroup tasks(io.get_executor());
    const std::vector<Frame> sent = every_kind();
    FrameReader reader(pair.there);
    SUBCASE("in one write")
    {
        tasks.spawn("sender", send_and_close(pair.here, encoded(sent)));
        CHECK((frames_from(io, [&] { return reader.next(); }) == sent));
    }
    SUBCASE("byte by byte")
    {
        tasks.spawn("sender", send_byte_by_byte(pair.here, encoded(sent)));
        CHECK((frames_from(io, [&] { return reader.next(); }) == sent));
    }
    SUBCASE("byte by byte, with read_frame")
    {
        std::vector<Frame> small;
        for (const Frame& frame : sent) {
            if (encode(frame).size() <= largest_first_frame)
                small.push_back(frame);
        }
        tasks.spawn("sender", send_byte_by_byte(pair.here, encoded(small)));
        CHECK((frames_from(io, [&] { return read_frame(pair.there); }) == small));
    }
    CHECK(runs_dry(io));
}

TEST_CASE("a reader keeps frames apart for thousands of them")
{
    asio::io_context io;
    ChannelPair pair(io);
    TaskGroup tasks(io.get_executor());
    Random random;
    std::vector<Frame> sent;
    for (std::size_t i = 0; i < 3000; ++i)
        sent.push_back(random_frame(random, i % (frame_kinds - 1)));
    tasks.spawn("sender", send_and_close(pair.here, encoded(sent)));
    FrameReader reader(pair.there);
    CHECK((frames_from(io, [&] { return reader.next(); }) == sent));
    CHECK(runs_dry(io));
}

TEST_CASE("read_frame takes not one byte more than the frame")
{
    asio::io_context io;
    ChannelPair pair(io);
    const DialBack dial_back{Ticket{random_bytes()}};
    write(pair.here.socket(), encode(dial_back) + encode(Start()) + "GET / HTTP/1.1");
    run(io, [&]() -> awaitable<void> {
        const Frame first = co_await read_frame(pair.there);
        CHECK((first == Frame(dial_back)));
        const Frame second = co_await read_frame(pair.there);
        CHECK((second == Frame(Start())));
    });
    std::string rest(100, '\0');
    rest.resize(pair.there.socket().read_some(asio::buffer(rest)));
    CHECK(rest == "GET / HTTP/1.1");
}

TEST_CASE("frames of an unknown kind are skipped")
{
    asio::io_context io;
    ChannelPair pair(io);
    const std::string future = encode(Unknown{77}) + std::string("\0\x06\x4e\xc8\0\0", 6);
    write(pair.here.socket(), future + encode(Start()) + future + encode(Probe()));
    FrameReader reader(pair.there);
    run(io, [&]() -> awaitable<void> {
        const Frame first = co_await read_frame(pair.there);
        CHECK((first == Frame(Start())));
        const Frame second = co_await reader.next();
        CHECK((second == Frame(Probe())));
    });
}

TEST_CASE("a first frame of 4096 bytes is read, a larger one is refused before its body comes")
{
    asio::io_context io;
    ChannelPair pair(io);
    SUBCASE("4096")
    {
        write(pair.here.socket(), notice_of_size(4096));
        CHECK_FALSE(failure_of(io, read_frame(pair.there)).code());
    }
    SUBCASE("4097")
    {
        write(pair.here.socket(), notice_of_size(4097).substr(0, FrameHeader::wire_size));
        CHECK(failure_of(io, read_frame(pair.there)).code() == Errc::malformed_frame);
    }
}

TEST_CASE("a logged-in peer may send frames of the largest size")
{
    asio::io_context io;
    ChannelPair pair(io);
    TaskGroup tasks(io.get_executor());
    tasks.spawn("sender",
                send(pair.here, encode(Probe()) + notice_of_size(65535) + notice_of_size(5000)));
    FrameReader reader(pair.there);
    run(io, [&]() -> awaitable<void> {
        const Frame small = co_await reader.next();
        CHECK((small == Frame(Probe())));
        for (int i = 0; i < 2; ++i) {
            const Frame large = co_await reader.next();
            CHECK((large == Frame(Notice{"large"})));
        }
    });
    CHECK(runs_dry(io));
}

TEST_CASE("malformed bytes end the reading")
{
    asio::io_context io;
    ChannelPair pair(io);
    FrameReader reader(pair.there);
    const auto outcome = [&](std::string_view bytes) {
        write(pair.here.socket(), bytes);
        return failure_of(io, reader.next()).code();
    };
    SUBCASE("a header that is smaller than itself")
    {
        CHECK(outcome("\x00\x02\x08"sv) == Errc::malformed_frame);
    }
    SUBCASE("a field that reaches beyond")
    {
        CHECK(outcome("\x00\x06\x0a\x0b\x00\x01"sv) == Errc::malformed_frame);
    }
    SUBCASE("a required field that is missing")
    {
        CHECK(outcome("\x00\x03\x05"sv) == Errc::malformed_frame);
    }
}

TEST_CASE("a connection that ends within a frame is an end of file")
{
    asio::io_context io;
    ChannelPair pair(io);
    FrameReader reader(pair.there);
    write(pair.here.socket(), encode(Notice{"cut"}).substr(0, 7));
    pair.here.socket().close();
    SUBCASE("reader")
    {
        CHECK(failure_of(io, reader.next()).code() == asio::error::eof);
    }
    SUBCASE("read_frame")
    {
        CHECK(failure_of(io, read_frame(pair.there)).code() == asio::error::eof);
    }
}

TEST_CASE("the first frame is asked for with its magic, and what else comes is not our protocol")
{
    asio::io_context io;
    ChannelPair pair(io);
    const std::string start(magic.begin(), magic.end());
    SUBCASE("a web browser")
    {
        write(pair.here.socket(), "GET / HTTP/1.1\r\n\r\n"); // shorter than any first frame
        CHECK(failure_of(io, read_first_frame(pair.there)).code() == Errc::not_our_protocol);
    }
    SUBCASE("a frame of a size that no first frame has")
    {
        write(pair.here.socket(), start + encode(Heartbeat()));
        CHECK(failure_of(io, read_first_frame(pair.there)).code() == Errc::malformed_frame);
    }
    SUBCASE("a frame that is too large")
    {
        write(pair.here.socket(), start + notice_of_size(largest_first_frame + 1));
        CHECK(failure_of(io, read_first_frame(pair.there)).code() == Errc::malformed_frame);
    }
    SUBCASE("too little")
    {
        write(pair.here.socket(), "\xf4TR");
        pair.here.socket().close();
        CHECK(failure_of(io, read_first_frame(pair.there)).code() == asio::error::eof);
    }
}

TEST_CASE("the shortest first frame is read without a byte of what follows it")
{
    asio::io_context io;
    ChannelPair pair(io);
    const std::string start(magic.begin(), magic.end());
    for (const Frame& first : {Frame(DialBack{Ticket{random_bytes()}}),
                               Frame(Park{SessionId{random_bytes()}}), Frame(LogIn())}) {
        CHECK(start.size() + encode(first).size() >= smallest_first_frame);
        write(pair.here.socket(), start + encode(first) + "SSH-2.0");
        run(io, [&]() -> awaitable<void> {
            const Frame read = co_await read_first_frame(pair.there);
            CHECK((read == first));
        });
        std::string rest(7, '\0');
        asio::read(pair.there.socket(), asio::buffer(rest));
        CHECK(rest == "SSH-2.0");
    }
}

TEST_CASE("a frame is taken from what was received once it is whole, and what follows stays there")
{
    const Announce announce{Ticket{random_bytes()}, "192.0.2.1:5", "default"};
    const std::string bytes =
        std::string("\0\3\xc8", 3) + encode(announce); // an unknown one, skipped
    std::string received;
    int unknown = 0;
    for (const char byte : bytes) {
        CHECK_FALSE(take_frame(received, unknown));
        received += byte;
    }
    received += "more";
    CHECK((take_frame(received, unknown) == Frame(announce)));
    CHECK(unknown == 1);
    CHECK(received == "more");
}

TEST_CASE("a frame larger than a first frame may be is not waited for")
{
    std::string received("\xff\xff\1", 3);
    int unknown = 0;
    CHECK_THROWS_AS(take_frame(received, unknown), std::system_error);
}

namespace {

// Counts its turns while it runs beside what is tested.
awaitable<void> count_turns(int& turns, const bool& over)
{
    while (!over) {
        ++turns;
        co_await yield_to_others();
    }
}

// The turns that others have while `operation` runs.
template <class Result>
int turns_beside(asio::io_context& io, awaitable<Result> operation)
{
    int turns = 0;
    bool over = false;
    TaskGroup tasks(io.get_executor());
    tasks.spawn("others", count_turns(turns, over));
    run(io, [&]() -> awaitable<void> {
        co_await std::move(operation);
        over = true;
    });
    CHECK(runs_dry(io));
    return turns;
}

std::string repeated(const std::string& bytes, int times)
{
    std::string all;
    for (int i = 0; i < times; ++i)
        all += bytes;
    return all;
}

awaitable<void> read_many(FrameReader& reader, int frames)
{
    for (int i = 0; i < frames; ++i)
        co_await reader.next();
}

awaitable<void> read_one_by_one(AsyncChannel& channel, int frames)
{
    for (int i = 0; i < frames; ++i)
        co_await read_frame(channel);
}

const std::string unknown_frame("\0\3\xc8", 3);

} // namespace

TEST_CASE("a peer that sends frames without a pause leaves others their turns")
{
    asio::io_context io;
    ChannelPair pair(io);
    constexpr int frames = 1600;
    FrameReader reader(pair.there);
    SUBCASE("frames that are read together")
    {
        write(pair.here.socket(), repeated(encode(Notice{"x"}), frames));
        CHECK(turns_beside(io, read_many(reader, frames)) >= frames / most_steps_in_a_turn);
    }
    SUBCASE("unknown ones between them")
    {
        write(pair.here.socket(), repeated(unknown_frame, frames) + encode(Start()));
        CHECK(turns_beside(io, read_many(reader, 1)) >= frames / most_steps_in_a_turn);
    }
    SUBCASE("frames that are read one by one, by somebody who loops")
    {
        write(pair.here.socket(), repeated(encode(Notice{"x"}), frames));
        CHECK(turns_beside(io, read_one_by_one(pair.there, frames)) >= frames);
    }
    SUBCASE("large ones, each of which takes a read of its own")
    {
        write(pair.here.socket(), repeated(notice_of_size(12'000), 30));
        CHECK(turns_beside(io, read_many(reader, 30)) >= 2 * 30 / most_steps_in_a_turn);
    }
}

TEST_CASE("a frame in TLS records of one byte each leaves others their turns")
{
    asio::io_context io;
    Secured secure = secured();
    AsyncChannel accepted(io, tcp::v4(), std::move(secure.accepted));
    const std::string frame = notice_of_size(1000);
    for (const char byte : frame)
        REQUIRE(secure.dialled.send(std::as_bytes(std::span(&byte, 1))) == 1);
    FrameReader reader(accepted);
    CHECK(turns_beside(io, read_many(reader, 1)) > 1000 / most_steps_in_a_turn);
}

TEST_CASE("what a peer still sends after the last word leaves others their turns")
{
    asio::io_context io;
    ChannelPair pair(io);
    write(pair.here.socket(), std::string(100'000, 'x'));
    pair.here.socket().shutdown(tcp::socket::shutdown_send);
    CHECK(turns_beside(io, send_last(pair.there, "goodbye")) >=
          100'000 / 512 / most_steps_in_a_turn);
}

TEST_CASE("a limit of time ends the reading of frames that come without a pause")
{
    asio::io_context io;
    ChannelPair pair(io);
    TaskGroup tasks(io.get_executor());
    const auto send_without_end = [&]() -> awaitable<void> {
        const std::string notices = repeated(encode(Notice{"x"}), 1000);
        for (;;)
            co_await send(pair.here, notices);
    };
    tasks.spawn("flood", send_without_end());
    const auto read_without_end = [&]() -> awaitable<void> {
        const Deadline limit(pair.there.socket(), std::chrono::milliseconds(100));
        for (;;)
            co_await read_frame(pair.there);
    };
    CHECK(failure_of(io, read_without_end()).code() == asio::error::operation_aborted);
    tasks.cancel();
    CHECK(runs_dry(io));
}

TEST_CASE("where one certain frame is due, only some unknown ones are skipped")
{
    asio::io_context io;
    ChannelPair pair(io);
    const std::string start(magic.begin(), magic.end());
    const std::string some = repeated(unknown_frame, most_unknown_frames);
    const std::string large =
        repeated(std::string("\0\x40\xc8\xc8\0\x3a", 6) + std::string(58, 'x'), 17);
    SUBCASE("as many as may be")
    {
        write(pair.here.socket(), some + encode(Start()));
        CHECK_FALSE(failure_of(io, read_frame(pair.there)).code());
    }
    SUBCASE("one more")
    {
        write(pair.here.socket(), some + unknown_frame + encode(Start()));
        CHECK(failure_of(io, read_frame(pair.there)).code() == Errc::too_many_unknown);
    }
    SUBCASE("large ones")
    {
        write(pair.here.socket(), large);
        CHECK(failure_of(io, read_frame(pair.there)).code() == Errc::too_many_unknown);
    }
    SUBCASE("before the first frame")
    {
        write(pair.here.socket(), start + large + large);
        CHECK(failure_of(io, read_first_frame(pair.there)).code() == Errc::too_many_unknown);
    }
    SUBCASE("in what was received")
    {
        std::string received = some + encode(Start());
        int unknown = 0;
        CHECK((take_frame(received, unknown) == Frame(Start())));
        received = unknown_frame;
        CHECK_THROWS_AS(take_frame(received, unknown), std::system_error);
    }
}

TEST_CASE("a peer that sends TLS records without data is given up in words")
{
    asio::io_context io;
    Secured secure = secured();
    AsyncChannel accepted(io, tcp::v4(), std::move(secure.accepted));
    for (int i = 0; i < 100; ++i) {
        secure.dialled.tls().update_keys();
        SSL_do_handshake(secure.dialled.tls().get());
    }
    FrameReader reader(accepted);
    CHECK(failure_of(io, reader.next()).code() == Errc::no_data_in_records);
}
