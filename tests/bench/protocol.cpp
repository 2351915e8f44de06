#include "tests/bench/protocol.hpp"

#include "tests/bench/hello.hpp"
#include "tests/bench/stream.hpp"

namespace bench {
namespace {

constexpr std::string_view body = "hello world";

std::string request_for(std::string_view path, std::string_view more)
{
    return "GET " + std::string(path) + " HTTP/1.1\r\nHost: " + host_name + "\r\n" +
           std::string(more) + "\r\n";
}

} // namespace

Exchange first_exchange(Protocol protocol, bool keep)
{
    if (protocol == Protocol::https)
        return {.request = request_for("/", keep ? "" : "Connection: close\r\n"),
                .answer_end = std::string(body),
                .until_end = !keep};
    const std::string echo(1, static_cast<char>(Service::echo));
    return {.request = way_to_raw(protocol).request + echo, .answer_end = echo};
}

Exchange next_exchange(Protocol protocol, std::size_t size)
{
    if (protocol == Protocol::https)
        return first_exchange(protocol, true);
    const std::string message(size, 'x');
    return {.request = message, .answer_end = message};
}

Exchange way_to_raw(Protocol protocol)
{
    if (protocol == Protocol::hello)
        return {.request = prepared_hello(), .answer_end = {}};
    if (protocol == Protocol::https)
        return {.request = request_for("/raw", "Connection: Upgrade\r\nUpgrade: raw\r\n"),
                .answer_end = std::string(end_of_head)};
    return {};
}

HttpAnswer answer_to(std::string_view head)
{
    if (head.starts_with("GET /raw "))
        return {.bytes = "HTTP/1.1 101 Switching Protocols\r\n"
                         "Connection: Upgrade\r\nUpgrade: raw\r\n\r\n",
                .is_raw = true};
    if (head.find("\r\nConnection: close\r\n") != std::string_view::npos)
        return {.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n"
                         "Connection: close\r\n\r\nhello world",
                .ends = true};
    return {.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world"};
}

} // namespace bench
