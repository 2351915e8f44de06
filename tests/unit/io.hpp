// Coroutines and sockets of a test, on the io_context of the test.
#pragma once

#include <exception>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <utility>

#include "common/base/asio.hpp"

namespace tunnel::test {

inline constexpr auto patience = std::chrono::seconds(10);

// Runs `io` until `condition` holds; false if there was nothing left to do or it took too long.
template <class Condition>
bool run_until(asio::io_context& io, const Condition& condition)
{
    const auto limit = Clock::now() + patience;
    io.restart();
    while (!condition()) {
        if (io.run_one_until(limit) == 0)
            return condition();
    }
    return true;
}

// Runs `io` until there is nothing left to do.
inline bool runs_dry(asio::io_context& io)
{
    io.restart();
    io.run_for(patience);
    return io.stopped();
}

// Runs `io` until the coroutine that `body` starts has ended, and throws what it threw.
template <class Body>
void run(asio::io_context& io, Body body)
{
    bool ended = false;
    std::exception_ptr failure;
    asio::co_spawn(io, std::move(body), [&](const std::exception_ptr& thrown) {
        ended = true;
        failure = thrown;
    });
    if (!run_until(io, [&] { return ended; }))
        throw std::runtime_error("the coroutine did not end in time");
    if (failure)
        std::rethrow_exception(failure);
}

// The std::system_error that `operation` ends with; without a code if it ends well.
template <class Result>
std::system_error failure_of(asio::io_context& io, awaitable<Result> operation)
{
    std::system_error failure{std::error_code()};
    run(io, [&]() -> awaitable<void> {
        try {
            co_await std::move(operation);
        } catch (const std::system_error& error) {
            failure = error;
        }
    });
    return failure;
}

inline tcp::endpoint loopback(std::uint16_t port = 0)
{
    return {asio::ip::address_v4::loopback(), port};
}

// Two ends of one TCP connection.
struct SocketPair {
    explicit SocketPair(asio::io_context& io) : here(io), there(io)
    {
        tcp::acceptor acceptor(io, loopback());
        here.connect(acceptor.local_endpoint());
        acceptor.accept(there);
        here.set_option(tcp::no_delay(true));
        there.set_option(tcp::no_delay(true));
    }

    tcp::socket here;
    tcp::socket there;
};

inline void write(tcp::socket& socket, std::string_view bytes)
{
    asio::write(socket, asio::buffer(bytes));
}

} // namespace tunnel::test
