#include "common/protocol/wire.hpp"

#include <algorithm>
#include <cstring>

#include "common/error.hpp"

namespace tunnel {

namespace {

[[noreturn]] void malformed()
{
    throw std::system_error(make_error_code(Errc::malformed_frame));
}

} // namespace

awaitable<void> read_magic(tcp::socket& socket)
{
    std::array<std::uint8_t, magic.size()> bytes{};
    const auto buffer = asio::buffer(bytes);
    co_await asio::async_read(socket, buffer, use_awaitable);
    if (bytes != magic)
        throw std::system_error(make_error_code(Errc::not_our_protocol));
}

awaitable<Frame> read_frame(tcp::socket& socket)
{
    for (;;) {
        std::array<std::uint8_t, FrameHeader::wire_size> header_bytes{};
        const auto header_buffer = asio::buffer(header_bytes);
        co_await asio::async_read(socket, header_buffer, use_awaitable);
        const auto header = decode_header(header_bytes);
        if (!header || header->body_size > largest_first_frame - FrameHeader::wire_size)
            malformed();
        std::vector<std::uint8_t> body(header->body_size);
        if (!body.empty()) {
            const auto buffer = asio::buffer(body);
            co_await asio::async_read(socket, buffer, use_awaitable);
        }
        auto frame = decode(header->kind, body);
        if (!frame)
            malformed();
        if (!std::holds_alternative<Unknown>(*frame))
            co_return std::move(*frame);
    }
}

awaitable<Frame> FrameReader::next()
{
    for (;;) {
        co_await fill(FrameHeader::wire_size);
        const std::span<const std::uint8_t, FrameHeader::wire_size> header_bytes(
            buffer_.data() + begin_, FrameHeader::wire_size);
        const auto header = decode_header(header_bytes);
        if (!header)
            malformed();
        co_await fill(FrameHeader::wire_size + header->body_size);
        const std::span<const std::uint8_t> body(buffer_.data() + begin_ + FrameHeader::wire_size,
                                                 header->body_size);
        auto frame = decode(header->kind, body);
        if (!frame)
            malformed();
        begin_ += FrameHeader::wire_size + header->body_size;
        if (!std::holds_alternative<Unknown>(*frame))
            co_return std::move(*frame);
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
        const auto room = asio::buffer(buffer_.data() + end_, buffer_.size() - end_);
        end_ += co_await socket_.async_read_some(room, use_awaitable);
    }
}

awaitable<void> send(tcp::socket& socket, std::string bytes)
{
    const auto buffer = asio::buffer(bytes);
    co_await asio::async_write(socket, buffer, use_awaitable);
}

} // namespace tunnel
