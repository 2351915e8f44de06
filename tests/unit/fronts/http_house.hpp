// The HTTP address as visitors meet it, over loopback.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <list>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <unistd.h>

#include "common/transport/socket.hpp"
#include "remote-proxy/fronts/http_visitors.hpp"
#include "tests/unit/fronts/challenges.hpp"
#include "tests/unit/io.hpp"

namespace tunnel::test {

inline HostKnown find_app(std::string_view host)
{
    if (host == "web.example.com")
        return {HostKnown::By::http};
    return {host == "app.example.com" ? HostKnown::By::https : HostKnown::By::nobody};
}

inline std::string get(std::string_view target, std::string_view headers = "")
{
    return fmt::format("GET {} HTTP/1.1\r\nHost: app.example.com\r\n{}\r\n", target, headers);
}

inline std::size_t count(std::string_view text, std::string_view part)
{
    std::size_t found = 0;
    for (std::size_t at = text.find(part); at != std::string_view::npos;
         at = text.find(part, at + part.size()))
        ++found;
    return found;
}

inline bool ends(const std::error_code& error)
{
    return error == asio::error::eof || error == asio::error::connection_reset;
}

struct ForService {
    HttpClient client;
    std::string bytes;
    Asked about;
};

// A front, and its visitors.
class HttpHouse {
public:
    explicit HttpHouse(const HttpLimits& limits = {})
        : visitors({io, watch, alarm, tasks, &webroot},
                   {[this](const HttpVisitorInfo& visitor, std::string_view host) {
                        asked_at.push_back(visitor.outside);
                        return find_app(host);
                    },
                    [this](HttpClient client, const std::string& bytes, const RequestHead& head) {
                        requests.push_back({std::move(client), bytes, asked(head)});
                    },
                    [this](std::string_view peer, std::string_view why) {
                        bad.push_back(fmt::format("{} {}", peer, why));
                    },
                    [this](const AccessRecord& access) {
                        told.push_back(fmt::format(
                            "{} {}{} {} {}", access.method, access.host, access.target,
                            access.status,
                            access.own_answer != nullptr ? name_of(*access.own_answer) : "none"));
                    }},
                   8443, limits)
    {
        tasks.spawn("the watch", work_watch());
        tasks.spawn("the time", keep_time());
    }

    ~HttpHouse()
    {
        visitors.stop();
        tasks.cancel();
        CHECK(runs_dry(io));
        CHECK(visitors.size() == 0);
    }

    tcp::socket arrive(std::string_view from = "127.0.0.1")
    {
        tcp::socket visitor(io, tcp::v4());
        visitor.bind({asio::ip::make_address(from), 0});
        visitor.connect(acceptor.local_endpoint());
        tcp::endpoint peer;
        tcp::socket accepted = acceptor.accept(peer);
        const tcp::endpoint outside = accepted.local_endpoint();
        visitors.take({release(std::move(accepted)), {peer, outside}});
        return visitor;
    }

    // For a service.
    ForService next_request()
    {
        REQUIRE(run_until(io, [this] { return !requests.empty(); }));
        ForService request = std::move(requests.front());
        requests.pop_front();
        return request;
    }

    // All that comes until the front ends the connection.
    std::string rest(tcp::socket& visitor, std::error_code* end = nullptr)
    {
        std::string all;
        std::error_code error;
        run(io, [&]() -> awaitable<void> {
            co_await asio::async_read(visitor, asio::dynamic_buffer(all),
                                      redirect_error(use_awaitable, error));
        });
        CHECK(ends(error));
        if (end != nullptr)
            *end = error;
        return all;
    }

    // The next answers, as many as that.
    std::string answers(tcp::socket& visitor, std::size_t number = 1)
    {
        std::string all;
        run(io, [&]() -> awaitable<void> {
            std::array<char, 4096> buffer;
            while (count(all, "\r\n\r\n") < number) {
                const std::size_t size =
                    co_await visitor.async_read_some(asio::buffer(buffer), use_awaitable);
                all.append(buffer.data(), size);
            }
        });
        return all;
    }

    std::string ask(std::string_view bytes)
    {
        tcp::socket visitor = arrive();
        write(visitor, bytes);
        return rest(visitor);
    }

    bool sees_end(tcp::socket& visitor)
    {
        char byte = 0;
        const auto failure =
            failure_of(io, visitor.async_read_some(asio::buffer(&byte, 1), use_awaitable));
        return ends(failure.code());
    }

    asio::io_context io;
    TaskGroup tasks{io.get_executor()};
    IdleWatch watch;
    Alarm alarm{io.get_executor()};
    Challenges challenges;
    AcmeWebroot webroot{io, challenges.root};
    std::vector<std::string> bad;
    std::vector<std::string> told; // of answers
    std::vector<tcp::endpoint> asked_at;
    std::list<ForService> requests;
    Clock::time_point sleeps_until; // whoever keeps the time
    HttpVisitors visitors;
    tcp::acceptor acceptor{io, loopback()};

private:
    // As the programs do it, on threads that relay.
    awaitable<void> work_watch()
    {
        asio::posix::stream_descriptor ready(io, ::dup(watch.descriptor()));
        for (;;) {
            co_await ready.async_wait(asio::posix::stream_descriptor::wait_read, use_awaitable);
            watch.work();
        }
    }

    awaitable<void> keep_time()
    {
        for (;;) {
            visitors.expire(Clock::now());
            sleeps_until = visitors.next_deadline().value_or(Clock::time_point::max());
            co_await alarm.wait_until(sleeps_until);
        }
    }
};

inline HttpLimits with_head(Clock::duration head)
{
    HttpLimits limits;
    limits.head = head;
    return limits;
}

} // namespace tunnel::test
