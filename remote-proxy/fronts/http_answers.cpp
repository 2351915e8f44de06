#include "remote-proxy/fronts/http_answers.hpp"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include <sys/socket.h>

#include "common/base/counted.hpp"
#include "common/base/deadline.hpp"
#include "common/base/error.hpp"
#include "common/base/log.hpp"
#include "common/transport/socket.hpp"

namespace tunnel {

namespace {

constexpr std::size_t most_thrown_away = 64 * 1024; // bytes

} // namespace

HttpAnswers::HttpAnswers(asio::io_context& io, TaskGroup& tasks, OnDone on_done,
                         const Limits& limits)
    : io_(io), tasks_(tasks), on_done_(std::move(on_done)), limits_(limits)
{
}

void HttpAnswers::send(HttpClient client, std::string answer, bool goes_on)
{
    send_without_delay(client.channel.descriptor());
    const ssize_t size = client.channel.send(std::as_bytes(std::span(answer)));
    if (size < 0 && errno != EAGAIN && errno != EINTR)
        return; // it has gone
    answer.erase(0, static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    ++client.requests;
    if (answer.empty() && goes_on)
        return on_done_(std::move(client));
    begin(std::move(client), std::move(answer), goes_on);
}

void HttpAnswers::close(HttpClient client)
{
    begin(std::move(client), {}, false);
}

void HttpAnswers::begin(HttpClient client, std::string rest, bool goes_on)
{
    allow_clean_close(client.channel.descriptor()); // what a listener accepts resets
    if (speaking_ >= limits_.connections) {         // what the kernel has is sent
        client.channel.end();
        return;
    }
    tasks_.spawn("an answer over HTTP", speak(std::move(client), std::move(rest), goes_on));
}

awaitable<void> HttpAnswers::speak(HttpClient client, std::string rest, bool goes_on)
{
    const Counted counted(speaking_);
    AsyncChannel channel(io_, client.info.peer.protocol(), std::move(client.channel));
    std::optional<Deadline> deadline;
    try {
        if (!rest.empty()) {
            deadline.emplace(channel.socket(), limits_.answer);
            co_await write(channel, rest);
        }
        if (goes_on) {
            deadline.reset();
            client.channel = channel.release();
        } else {
            deadline.emplace(channel.socket(), limits_.farewell);
            co_await finish(channel);
        }
    } catch (const std::system_error& error) {
        // Not a warning: any visitor can cause as many as it likes.
        if (error.code() == asio::error::operation_aborted && !(deadline && deadline->passed()))
            throw;
        log::debug("lost a visitor who speaks HTTP",
                   {{"code", name_of(code_of(error.code()))}, {"reason", error.what()}});
        co_return;
    }
    if (goes_on)
        on_done_(std::move(client));
}

awaitable<void> HttpAnswers::write(AsyncChannel& channel, std::string_view bytes)
{
    while (!bytes.empty()) {
        const ssize_t size = channel.send(std::as_bytes(std::span(bytes)));
        if (size < 0 && errno != EAGAIN && errno != EINTR)
            throw std::system_error(last_error());
        bytes.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
        if (!bytes.empty())
            co_await channel.sendable();
    }
}

awaitable<void> HttpAnswers::finish(AsyncChannel& channel)
{
    while (channel.end() != 0) {
        if (errno != EAGAIN)
            co_return;
        co_await channel.sendable();
    }
    for (std::size_t left = most_thrown_away; left > 0;) {
        const auto room = std::span(thrown_away_).first(std::min(left, thrown_away_.size()));
        const ssize_t size = channel.receive(room);
        if (size == 0 || (size < 0 && errno != EAGAIN))
            co_return;
        if (size > 0)
            left -= static_cast<std::size_t>(size);
        else
            co_await channel.receivable();
    }
    // The kernel lets the visitor send what there is room for, and no more. This returns when the
    // visitor has gone.
    co_await channel.socket().async_wait(tcp::socket::wait_error, nothrow);
}

} // namespace tunnel
