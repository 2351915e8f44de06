#include "common/protocol/wire.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "common/base/deadline.hpp"
#include "common/base/error.hpp"

namespace tunnel {

namespace {

constexpr auto patience_for_close = std::chrono::seconds(1);

[[noreturn]] void malformed()
{
    throw std::system_error(make_error_code(Errc::malformed_frame));
}

// In words, where the number alone says little.
std::error_code failure_of(int number)
{
    if (number == EPROTO) // see RecordGuard
        return make_error_code(Errc::no_data_in_records);
    return {number, std::system_category()};
}

void count_unknown(int& unknown)
{
    if (++unknown > most_unknown_frames)
        throw std::system_error(make_error_code(Errc::too_many_unknown));
}

Frame decoded(std::uint8_t kind, std::span<const std::uint8_t> body)
{
    auto frame = decode(kind, body);
    if (!frame)
        malformed();
    return std::move(*frame);
}

// The size, magic included, that the header of a first frame tells; nullopt if it cannot be one.
std::optional<std::size_t>
first_frame_size(std::span<const std::uint8_t, smallest_first_frame> bytes)
{
    const auto header = decode_header(bytes.subspan<magic.size(), FrameHeader::wire_size>());
    if (!header)
        return std::nullopt;
    const std::size_t size = magic.size() + FrameHeader::wire_size + header->body_size;
    if (size < smallest_first_frame || size > magic.size() + largest_first_frame)
        return std::nullopt;
    return size;
}

} // namespace

awaitable<std::size_t> TurnReader::read_some(std::span<std::uint8_t> room)
{
    for (;;) {
        if (used_up())
            co_await yield();
        const ssize_t size = channel_.receive(std::as_writable_bytes(room));
        if (size > 0) {
            --steps_left_;
            co_return static_cast<std::size_t>(size);
        }
        if (size == 0)
            throw std::system_error(asio::error::eof);
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN)
            throw std::system_error(failure_of(errno));
        co_await channel_.receivable();
        steps_left_ = most_steps_in_a_turn;
        others_had_turn_ = true;
    }
}

awaitable<void> TurnReader::read_all(std::span<std::uint8_t> room)
{
    while (!room.empty()) {
        const std::size_t size = co_await read_some(room);
        room = room.subspan(size);
    }
}

awaitable<void> TurnReader::begin_frame()
{
    if (used_up())
        co_await yield();
    --steps_left_;
}

awaitable<void> TurnReader::finish()
{
    if (!others_had_turn_)
        co_await yield();
}

awaitable<void> TurnReader::yield()
{
    co_await yield_to_others();
    steps_left_ = most_steps_in_a_turn;
    others_had_turn_ = true;
    if (!channel_.socket().is_open())
        throw std::system_error(asio::error::operation_aborted);
}

awaitable<Frame> read_first_frame(AsyncChannel& channel)
{
    TurnReader reader(channel);
    std::array<std::uint8_t, smallest_first_frame> bytes{};
    constexpr std::size_t header_end = magic.size() + FrameHeader::wire_size;
    std::size_t held = 0;
    while (held < bytes.size()) {
        const std::span<std::uint8_t> room = std::span(bytes).subspan(held);
        held += co_await reader.read_some(room);
        if (!std::equal(magic.begin(), magic.begin() + std::min(held, magic.size()), bytes.begin()))
            throw std::system_error(make_error_code(Errc::not_our_protocol));
        if (held >= header_end && !first_frame_size(bytes))
            malformed();
    }
    const std::size_t size = first_frame_size(bytes).value();
    std::vector<std::uint8_t> body(bytes.begin() + header_end, bytes.end());
    const std::size_t taken = body.size();
    body.resize(size - header_end);
    const std::span<std::uint8_t> rest = std::span(body).subspan(taken);
    co_await reader.read_all(rest);
    Frame frame = decoded(bytes[header_end - 1], body);
    if (std::holds_alternative<Unknown>(frame))
        frame = co_await read_frame(channel);
    co_return std::move(frame);
}

awaitable<Frame> read_frame(AsyncChannel& channel)
{
    TurnReader reader(channel);
    for (int unknown = 0;;) {
        std::array<std::uint8_t, FrameHeader::wire_size> header_bytes{};
        const std::span<std::uint8_t> header_room(header_bytes);
        co_await reader.read_all(header_room);
        const auto header = decode_header(header_bytes);
        if (!header || header->body_size > largest_first_frame - FrameHeader::wire_size)
            malformed();
        std::vector<std::uint8_t> body(header->body_size);
        const std::span<std::uint8_t> body_room(body);
        co_await reader.read_all(body_room);
        Frame frame = decoded(header->kind, body);
        if (std::holds_alternative<Unknown>(frame)) {
            count_unknown(unknown);
            continue;
        }
        co_await reader.finish();
        co_return std::move(frame);
    }
}

std::optional<Frame> take_frame(std::string& received, int& unknown)
{
    for (;;) {
        const std::span bytes(reinterpret_cast<const std::uint8_t*>(received.data()),
                              received.size());
        if (bytes.size() < FrameHeader::wire_size)
            return std::nullopt;
        const auto header = decode_header(bytes.first<FrameHeader::wire_size>());
        if (!header || header->body_size > largest_first_frame - FrameHeader::wire_size)
            malformed();
        const std::size_t size = FrameHeader::wire_size + header->body_size;
        if (bytes.size() < size)
            return std::nullopt;
        Frame frame =
            decoded(header->kind, bytes.subspan(FrameHeader::wire_size, header->body_size));
        received.erase(0, size);
        if (!std::holds_alternative<Unknown>(frame))
            return frame;
        count_unknown(unknown);
    }
}

awaitable<Frame> FrameReader::next()
{
    for (;;) {
        co_await reader_.begin_frame();
        co_await fill(FrameHeader::wire_size);
        const std::span<const std::uint8_t, FrameHeader::wire_size> header_bytes(
            buffer_.data() + begin_, FrameHeader::wire_size);
        const auto header = decode_header(header_bytes);
        if (!header)
            malformed();
        co_await fill(FrameHeader::wire_size + header->body_size);
        const std::span<const std::uint8_t> body(buffer_.data() + begin_ + FrameHeader::wire_size,
                                                 header->body_size);
        Frame frame = decoded(header->kind, body);
        begin_ += FrameHeader::wire_size + header->body_size;
        if (!std::holds_alternative<Unknown>(frame))
            co_return std::move(frame);
    }
}

awaitable<void> FrameReader::fill(std::size_t size)
{
    while (end_ - begin_ < size) {
        if (buffer_.size() - begin_ < size) {
            std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
            end_ -= begin_;
            begin_ = 0;
            buffer_.resize(std::max(buffer_.size(), size));
        }
        const std::span<std::uint8_t> room = std::span(buffer_).subspan(end_);
        end_ += co_await reader_.read_some(room);
    }
}

awaitable<void> send(AsyncChannel& channel, std::string bytes)
{
    std::string_view rest = bytes;
    while (!rest.empty()) {
        const ssize_t size = channel.send(std::as_bytes(std::span(rest)));
        if (size >= 0)
            rest.remove_prefix(static_cast<std::size_t>(size));
        else if (errno == EAGAIN)
            co_await channel.sendable();
        else if (errno != EINTR)
            throw std::system_error(errno, std::system_category());
    }
}

awaitable<void> send_last(AsyncChannel& channel, std::string bytes)
{
    const Deadline limit(channel.socket(), patience_for_close);
    try {
        co_await send(channel, std::move(bytes));
        channel.end();
        std::array<std::uint8_t, 512> unwanted;
        const std::span<std::uint8_t> room(unwanted);
        for (TurnReader reader(channel);;)
            co_await reader.read_some(room);
    } catch (const std::system_error& error) {
        if (error.code() == asio::error::operation_aborted && channel.socket().is_open())
            throw;
    }
}

} // namespace tunnel
