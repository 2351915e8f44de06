#include "common/management/client.hpp"

#include <algorithm>
#include <cerrno>
#include <functional>
#include <optional>
#include <span>
#include <utility>

#include <sys/socket.h>

#include "common/base/limit.hpp"

namespace tunnel {

namespace {

// How many unwanted bytes a client may still send.
constexpr std::size_t most_ignored = 1024 * 1024;

// Of an answer, in one turn.
constexpr std::size_t most_written = 64 * 1024;

using Descriptor = asio::posix::stream_descriptor;

// Of the peer's end; that of no address for one at a Unix socket.
asio::ip::address address_of(int descriptor)
{
    tcp::endpoint peer;
    auto size = static_cast<socklen_t>(peer.capacity());
    if (::getpeername(descriptor, peer.data(), &size) != 0 || peer.data()->sa_family == AF_UNIX)
        return {};
    peer.resize(size);
    return peer.address();
}

// No key is known here, so each hello costs a signature: it waits for its turn.
class SignatureGate final : public HelloGate {
public:
    SignatureGate(HandshakeBudget& budget, Descriptor& socket) : budget_(budget), socket_(socket) {}

    awaitable<bool> admit(Offer) override
    {
        std::function<void()> wake = [this] {
            std::error_code ignored;
            socket_.cancel(ignored);
        };
        turn_.emplace(budget_, address_of(socket_.native_handle()), std::move(wake));
        co_await wait_for(*turn_, socket_);
        co_return true;
    }

    void answered(Clock::duration took) override
    {
        turn_->pay(took);
        turn_.reset();
    }

private:
    HandshakeBudget& budget_;
    Descriptor& socket_;
    std::optional<HandshakeBudget::Turn> turn_;
};

} // namespace

ManagementClient::ManagementClient(std::shared_ptr<ManagementTurns> turns,
                                   const asio::any_io_executor& executor, Fd socket)
    : turns_(std::move(turns)), socket_(executor, socket.get())
{
    socket.release();
    socket_.non_blocking(true);
}

awaitable<void> ManagementClient::secure(const TlsContext& context, HandshakeBudget& budget,
                                         Clock::time_point limit)
{
    const Limit within(socket_, limit);
    Handshake::FindKey no_key = [](std::string_view) { return std::nullopt; };
    SignatureGate gate(budget, socket_);
    Handshake handshake(context, socket_.native_handle(), std::move(no_key));
    handshake.set_gate(gate);
    std::error_code error;
    try {
        co_await handshake.run(socket_);
    } catch (const std::system_error& failure) {
        error = failure.code();
    }
    within.check(error);
    tls_ = handshake.take();
}

awaitable<void> ManagementClient::take_turn()
{
    co_await turns_->next();
    has_turn_ = true;
}

awaitable<void> ManagementClient::take_turn(Clock::time_point limit)
{
    co_await take_turn();
    if (Clock::now() >= limit)
        throw std::system_error(make_error_code(std::errc::timed_out));
}

void ManagementClient::end_turn()
{
    if (std::exchange(has_turn_, false))
        turns_->over();
}

// What waiting for the socket came to.
awaitable<std::error_code> ManagementClient::ready(bool to_write)
{
    end_turn();
    const auto what = to_write ? Descriptor::wait_write : Descriptor::wait_read;
    const auto [error] = co_await socket_.async_wait(what, nothrow);
    co_return error;
}

awaitable<std::string_view> ManagementClient::read(Clock::time_point limit)
{
    const Limit within(socket_, limit);
    for (;;) {
        co_await take_turn();
        within.check({});
        const ssize_t size = receive_bytes(socket_.native_handle(), tls_,
                                           std::as_writable_bytes(std::span(buffer_)));
        if (size >= 0)
            co_return std::string_view(buffer_.data(), static_cast<std::size_t>(size));
        if (errno != EAGAIN)
            throw std::system_error(errno, std::system_category());
        const std::error_code error = co_await ready(tls_ && tls_.wants_to_send());
        within.check(error);
    }
}

awaitable<void> ManagementClient::write(std::string bytes, Clock::time_point limit)
{
    const Limit within(socket_, limit);
    std::span<const std::byte> rest = std::as_bytes(std::span(bytes));
    while (!rest.empty()) {
        if (!has_turn_) { // the beginning of an answer goes out in the turn in which it was made
            co_await take_turn();
            within.check({});
        }
        const ssize_t size = send_bytes(socket_.native_handle(), tls_,
                                        rest.first(std::min(rest.size(), most_written)));
        if (size >= 0) {
            rest = rest.subspan(static_cast<std::size_t>(size));
            if (!rest.empty())
                end_turn();
            continue;
        }
        if (errno != EAGAIN)
            throw std::system_error(errno, std::system_category());
        const std::error_code error = co_await ready(true);
        within.check(error);
    }
}

void ManagementClient::reset_at_end()
{
    const linger at_once{1, 0};
    ::setsockopt(socket_.native_handle(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

awaitable<void> ManagementClient::finish(Clock::time_point limit)
{
    end_stream(socket_.native_handle(), tls_);
    const Limit within(socket_, limit);
    for (std::size_t ignored = 0; ignored < most_ignored;) {
        co_await take_turn();
        const ssize_t size =
            ::recv(socket_.native_handle(), buffer_.data(), buffer_.size(), MSG_DONTWAIT);
        if (size == 0 || (size < 0 && errno != EAGAIN) || Clock::now() >= limit)
            break;
        if (size > 0)
            ignored += static_cast<std::size_t>(size);
        else
            co_await ready(false);
    }
    end_turn();
}

} // namespace tunnel
