#include "origin-proxy/servers/health_check.hpp"

#include <array>
#include <cerrno>
#include <utility>

#include <fmt/format.h>
#include <sys/socket.h>

#include "common/base/error.hpp"
#include "common/transport/proxy_header.hpp"
#include "common/transport/tls.hpp"
#include "origin-proxy/servers/http_status.hpp"

namespace tunnel {

namespace {

// That there is no descriptor or memory to be had here says nothing of the server.
bool is_ours(std::error_code error)
{
    return error == std::errc::too_many_files_open ||
           error == std::errc::too_many_files_open_in_system ||
           error == std::errc::no_buffer_space || error == std::errc::not_enough_memory;
}

// A server that expects a header gets one that tells of no visitor.
std::string header_for(ProxyProtocol protocol)
{
    switch (protocol) {
    case ProxyProtocol::v1:
        return unknown_proxy_header_v1();
    case ProxyProtocol::v2:
        return local_proxy_header_v2();
    case ProxyProtocol::off:
        break;
    }
    return {};
}

// Returns when there may be something to receive, or at the deadline.
awaitable<void> wait_for_more(asio::posix::stream_descriptor& connection,
                              Clock::time_point deadline)
{
    using namespace asio::experimental::awaitable_operators;
    Timer timer(connection.get_executor(), deadline);
    constexpr auto readable = asio::posix::stream_descriptor::wait_read;
    co_await (connection.async_wait(readable, nothrow) || timer.async_wait(nothrow));
    // A cancelled coroutine must not take its own end for either.
    if ((co_await asio::this_coro::cancellation_state).cancelled() != asio::cancellation_type::none)
        throw std::system_error(asio::error::operation_aborted);
}

awaitable<int> read_status(Fd& socket, Clock::time_point deadline)
{
    asio::posix::stream_descriptor connection(co_await asio::this_coro::executor, socket.get());
    socket.release();
    std::array<char, largest_http_head> head;
    std::size_t size = 0;
    for (;;) {
        const ssize_t received = ::recv(connection.native_handle(), head.data() + size,
                                        head.size() - size, MSG_DONTWAIT);
        if (received == 0)
            throw std::system_error(make_error_code(Errc::closed_by_peer));
        if (received < 0 && errno != EAGAIN && errno != EINTR)
            throw std::system_error(errno, std::system_category());
        if (received > 0) {
            size += static_cast<std::size_t>(received);
            if (const auto status = http_status({head.data(), size}))
                co_return *status;
            if (size == head.size())
                co_return 0;
        } else if (Clock::now() >= deadline) {
            throw std::system_error(make_error_code(std::errc::timed_out));
        } else {
            co_await wait_for_more(connection, deadline);
        }
    }
}

} // namespace

std::string http_request(const ServerAddress& server, const std::string& path)
{
    const bool has_name = !server.is_unix() && !server.host.empty();
    const std::string host = has_name           ? to_string(server.tcp())
                             : server.is_unix() ? std::string("localhost")
                                                : fmt::format("localhost:{}", server.port);
    return fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: origin-proxy/{} "
                       "(health check)\r\nAccept: */*\r\nConnection: close\r\n\r\n",
                       path, host, TUNNEL_VERSION);
}

awaitable<Looked> look_at(const OriginService& service, OriginServer& server)
{
    const HealthCheck& check = service.rules.health_check;
    const auto deadline = Clock::now() + check.timeout;
    Looked looked{Finding::unhealthy};
    try {
        Fd socket = co_await server.dial(server.begin());
        std::string words = header_for(service.rules.proxy_protocol);
        if (check.kind == HealthCheck::Kind::http)
            words += http_request(service.origin_server_address, check.path);
        if (!words.empty()) {
            Tls plain;
            if (const std::error_code error = send_at_once(socket.get(), plain, words))
                throw std::system_error(error);
        }
        if (check.kind == HealthCheck::Kind::http) {
            const int status = co_await read_status(socket, deadline);
            if (!is_healthy(status)) {
                looked.why = {Code::bad_answer, status == 0 ? std::string("its answer is no HTTP")
                                                            : fmt::format("it answers {}", status)};
                co_return looked;
            }
        }
        looked.finding = Finding::healthy;
    } catch (const std::system_error& error) {
        if (error.code() == asio::error::operation_aborted)
            throw;
        if (is_ours(error.code()))
            looked.finding = Finding::unknown;
        looked.why = {code_of_origin_server(error.code()), error.code().message()};
    }
    co_return looked;
}

} // namespace tunnel
