#include "remote-proxy/fronts/proxy_reader.hpp"

#include <array>
#include <cerrno>
#include <span>
#include <utility>
#include <variant>

#include <sys/socket.h>

#include "common/base/error.hpp"

namespace tunnel {

namespace {

// A socket that is asio's for as long as this lives.
class Lent {
public:
    Lent(const asio::any_io_executor& executor, Fd& owner) : owner_(owner), descriptor_(executor)
    {
        descriptor_.assign(owner_.get());
        owner_.release();
    }

    Lent(const Lent&) = delete;
    Lent& operator=(const Lent&) = delete;

    ~Lent() { owner_ = Fd(descriptor_.release()); }

    asio::posix::stream_descriptor& descriptor() { return descriptor_; }

private:
    Fd& owner_;
    asio::posix::stream_descriptor descriptor_;
};

// Returns when there may be something to receive, or at the deadline.
awaitable<void> wait_for_more(Fd& socket, Clock::time_point deadline)
{
    using namespace asio::experimental::awaitable_operators;
    const auto executor = co_await asio::this_coro::executor;
    Lent lent(executor, socket);
    Timer timer(executor, deadline);
    constexpr auto readable = asio::posix::stream_descriptor::wait_read;
    co_await (lent.descriptor().async_wait(readable, nothrow) || timer.async_wait(nothrow));
    // A cancelled coroutine must not mistake its own end for either.
    if ((co_await asio::this_coro::cancellation_state).cancelled() != asio::cancellation_type::none)
        throw std::system_error(asio::error::operation_aborted);
}

// How many bytes there were, up to the size of `room`; 0: the stream has ended; nullopt: none yet.
std::optional<std::size_t> receive(const Fd& socket, std::span<char> room, int flags)
{
    const ssize_t size = ::recv(socket.get(), room.data(), room.size(), flags | MSG_DONTWAIT);
    if (size >= 0)
        return static_cast<std::size_t>(size);
    if (errno != EAGAIN && errno != EINTR)
        throw std::system_error(errno, std::system_category());
    return std::nullopt;
}

// What has been peeked at.
void take(const Fd& socket, std::span<char> bytes)
{
    if (receive(socket, bytes, 0) != bytes.size())
        throw std::system_error(make_error_code(std::errc::io_error));
}

std::error_code failure_of(NoProxyHeader none)
{
    return none == NoProxyHeader::malformed ? Errc::malformed_proxy_header : Errc::no_proxy_header;
}

} // namespace

// A part of a header is taken at once: all of it belongs to the header, if it becomes one, and what
// is left to be peeked at would make the socket readable without end.
awaitable<std::optional<ProxyAddresses>> read_proxy_header(Fd& socket, Clock::time_point deadline)
{
    std::array<char, largest_proxy_header> bytes;
    std::size_t taken = 0;
    for (;;) {
        const std::span rest = std::span(bytes).subspan(taken);
        if (const auto there = receive(socket, rest, MSG_PEEK)) {
            if (*there == 0 && taken == 0)
                throw std::system_error(asio::error::eof);
            if (*there == 0)
                throw std::system_error(make_error_code(Errc::closed_by_peer));
            const auto decoded = decode_proxy_header({bytes.data(), taken + *there});
            if (const auto* const header = std::get_if<ProxyHeader>(&decoded)) {
                take(socket, rest.first(header->size - taken));
                co_return header->addresses;
            }
            const auto none = std::get<NoProxyHeader>(decoded);
            if (none != NoProxyHeader::not_whole)
                throw std::system_error(failure_of(none));
            take(socket, rest.first(*there));
            taken += *there;
        }
        if (Clock::now() >= deadline)
            fail(make_error_code(std::errc::timed_out), "a header of the PROXY protocol");
        co_await wait_for_more(socket, deadline);
    }
}

} // namespace tunnel
