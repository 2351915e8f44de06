#include "tests/bench/protocol.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <stdexcept>

#include "tests/bench/hello.hpp"
#include "tests/bench/stream.hpp"

namespace bench {
namespace {

constexpr std::string_view ok = "HTTP/1.1 200 OK\r\n";
constexpr std::size_t digits_of_time = 19;
constexpr std::string_view begin_of_event = "data: ";
constexpr std::string_view end_of_event = "\n\n";

std::string request_for(std::string_view path, std::string_view more)
{
    return "GET " + std::string(path) + " HTTP/1.1\r\nHost: " + host_name + "\r\n" +
           std::string(more) + "\r\n";
}

std::string with_length(std::uint64_t length)
{
    return "Content-Length: " + std::to_string(length) + "\r\n";
}

// The number behind `prefix` at the beginning of `head`; 0 if there is another text.
std::uint64_t number_behind(std::string_view prefix, std::string_view head)
{
    std::uint64_t number = 0;
    if (head.starts_with(prefix))
        std::from_chars(head.data() + prefix.size(), head.data() + head.size(), number);
    return number;
}

// Proxies write names of fields as they like.
bool wants_end(std::string_view head)
{
    std::string lower(head);
    std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
    return lower.find("\r\nconnection: close\r\n") != std::string::npos;
}

} // namespace

Exchange first_exchange(Protocol protocol, bool keep)
{
    if (protocol == Protocol::upgrade)
        return way_to_raw(protocol);
    if (speaks_http(protocol))
        return {.request = request_for("/", keep ? "" : "Connection: close\r\n"),
                .answer_end = std::string(short_body),
                .until_end = !keep};
    const std::string echo(1, static_cast<char>(Service::echo));
    return {.request = way_to_raw(protocol).request + echo, .answer_end = echo};
}

Exchange next_exchange(Protocol protocol, std::size_t size)
{
    if (protocol == Protocol::https || protocol == Protocol::http)
        return first_exchange(protocol, true);
    const std::string message(size, 'x');
    return {.request = message, .answer_end = message};
}

Exchange way_to_raw(Protocol protocol)
{
    if (protocol == Protocol::hello)
        return {.request = prepared_hello(), .answer_end = {}};
    if (speaks_http(protocol))
        return {.request = request_for("/raw", "Connection: Upgrade\r\nUpgrade: raw\r\n"),
                .answer_end = std::string(end_of_head)};
    return {};
}

std::string upload_head(std::uint64_t size)
{
    return "POST /upload/" + std::to_string(size) + " HTTP/1.1\r\nHost: " + host_name + "\r\n" +
           with_length(size) + "\r\n";
}

std::string download_head(std::uint64_t size)
{
    return request_for("/download/" + std::to_string(size), "");
}

std::string events_head()
{
    return request_for("/events", "Accept: text/event-stream\r\n");
}

std::string event_of(std::chrono::nanoseconds time)
{
    std::string digits = std::to_string(time.count());
    digits.insert(0, digits_of_time - std::min(digits_of_time, digits.size()), '0');
    std::string event(begin_of_event);
    return event.append(digits).append(end_of_event);
}

std::optional<std::chrono::nanoseconds> take_event(std::string& text)
{
    const std::size_t begin = text.find(begin_of_event);
    const std::size_t size = begin_of_event.size() + digits_of_time + end_of_event.size();
    if (begin == std::string::npos || text.size() < begin + size)
        return std::nullopt;
    const std::string_view event = std::string_view(text).substr(begin, size);
    const std::string_view digits = event.substr(begin_of_event.size(), digits_of_time);
    std::int64_t time = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), time);
    if (error != std::errc() || end != digits.data() + digits.size() ||
        !event.ends_with(end_of_event))
        throw std::runtime_error("a wrong event");
    text.erase(0, begin + size);
    return std::chrono::nanoseconds(time);
}

HttpAnswer answer_to(std::string_view head)
{
    if (head.starts_with("GET /raw "))
        return {.bytes = "HTTP/1.1 101 Switching Protocols\r\n"
                         "Connection: Upgrade\r\nUpgrade: raw\r\n\r\n",
                .is_raw = true};
    if (head.starts_with("GET /events "))
        // The last field asks nginx not to wait for more, as servers of events do.
        return {.bytes = std::string(ok) + "Content-Type: text/event-stream\r\n"
                                           "Cache-Control: no-cache\r\n"
                                           "Transfer-Encoding: chunked\r\n"
                                           "X-Accel-Buffering: no\r\n\r\n",
                .has_events = true};
    if (const std::uint64_t size = number_behind("GET /download/", head))
        return {.bytes = std::string(ok) + with_length(size) + "\r\n", .download = size};
    HttpAnswer answer{.bytes = std::string(ok) + with_length(short_body.size()),
                      .ends = wants_end(head),
                      .upload = number_behind("POST /upload/", head)};
    if (answer.ends)
        answer.bytes += "Connection: close\r\n";
    answer.bytes.append("\r\n").append(short_body);
    return answer;
}

} // namespace bench
