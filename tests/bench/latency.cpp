// The cases of many small exchanges: new connections, round trips, and visitors that do nothing.
#include <array>
#include <cerrno>
#include <cstdio>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "tests/bench/cases.hpp"
#include "tests/bench/opening.hpp"

namespace bench {
namespace {

constexpr std::chrono::milliseconds warm_up{150};
constexpr std::chrono::seconds patience{5};

class RoundTrips {
public:
    RoundTrips(const Load& load, std::vector<Connection> visitors, Errors& errors)
        : load_(load),
          errors_(errors),
          epoll_(::epoll_create1(0)),
          exchange_(next_exchange(load.protocol, load.size))
    {
        for (Connection& visitor : visitors)
            pairs_.push_back({.connection = std::move(visitor)});
    }

    nlohmann::json run()
    {
        begin_ = Clock::now() + warm_up;
        end_ = begin_ + load_.duration;
        for (std::size_t i = 0; i < pairs_.size(); ++i) {
            epoll_event event{.events = EPOLLIN, .data = {.u64 = i}};
            ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, pairs_[i].connection.fd(), &event);
            ask(pairs_[i]);
        }
        std::array<epoll_event, 256> events{};
        while (waiting_ > 0 && Clock::now() < end_ + patience) {
            const int count = ::epoll_wait(epoll_.get(), events.data(), events.size(), 100);
            for (int i = 0; i < count; ++i)
                turn(pairs_[events[static_cast<std::size_t>(i)].data.u64]);
        }
        if (waiting_ > 0)
            errors_.add("no answer in time", waiting_);
        nlohmann::json result;
        result["round_trips"] = times_.size();
        result["per_second"] = static_cast<double>(times_.size()) / seconds(load_.duration);
        add_percentiles(result, "round_trip", times_);
        return result;
    }

private:
    struct Pair {
        Connection connection;
        std::string answer = {};
        Clock::time_point asked{};
    };

    void ask(Pair& pair)
    {
        pair.answer.clear();
        pair.asked = Clock::now();
        ++waiting_;
        if (pair.connection.send(exchange_.request) !=
            static_cast<ssize_t>(exchange_.request.size()))
            drop(pair, "send: " + last_error());
    }

    void turn(Pair& pair)
    {
        do {
            const ssize_t received = pair.connection.receive(buffer_);
            if (received < 0 && errno == EAGAIN)
                break; // no more than part of a TLS record
            if (received <= 0)
                return drop(pair, received == 0 ? "closed in the middle" : last_error());
            pair.answer.append(buffer_.data(), static_cast<std::size_t>(received));
        } while (pair.connection.may_hold_more());
        if (!pair.answer.ends_with(exchange_.answer_end))
            return;
        const auto now = Clock::now();
        --waiting_;
        if (pair.asked >= begin_ && now < end_)
            times_.push_back(microseconds(now - pair.asked));
        if (now < end_)
            ask(pair);
    }

    void drop(Pair& pair, const std::string& why)
    {
        errors_.add(why);
        --waiting_;
        pair.connection = Connection();
    }

    const Load& load_;
    Errors& errors_;
    Fd epoll_;
    Exchange exchange_;
    std::vector<Pair> pairs_;
    std::vector<double> times_;
    std::array<char, 64 * 1024> buffer_{};
    Clock::time_point begin_{};
    Clock::time_point end_{};
    std::uint64_t waiting_ = 0;
};

TlsContext tls_of(const Load& load)
{
    return load.protocol == Protocol::https ? client_tls() : nullptr;
}

} // namespace

nlohmann::json run_connect(const Load& load)
{
    Errors errors;
    const TlsContext tls = tls_of(load);
    std::vector<double> times;
    const auto begin = Clock::now();
    auto last = begin;
    open_visitors({.target = load.target,
                   .ports = load.ports,
                   .protocol = load.protocol,
                   .tls = tls.get(),
                   .keep = false,
                   .at_once = load.at_once,
                   .count = load.visitors,
                   .duration = load.duration},
                  errors, [&](Connection visitor, Clock::duration answered) {
                      visitor = Connection();
                      times.push_back(microseconds(answered));
                      last = Clock::now();
                  });
    nlohmann::json result;
    result["connections"] = times.size();
    result["per_second"] =
        times.empty() ? 0 : static_cast<double>(times.size()) / seconds(last - begin);
    add_percentiles(result, "first_byte", times);
    result["errors"] = errors.json();
    return result;
}

nlohmann::json run_round_trips(const Load& load)
{
    Errors errors;
    const TlsContext tls = tls_of(load);
    auto visitors = open_many(load.target, load.visitors, load.protocol, tls.get(), errors);
    nlohmann::json result = RoundTrips(load, std::move(visitors), errors).run();
    result["errors"] = errors.json();
    return result;
}

nlohmann::json run_idle(const Load& load)
{
    Errors errors;
    const auto visitors = open_many(load.target, load.visitors, load.protocol, nullptr, errors);
    nlohmann::json result{{"held", visitors.size()}, {"errors", errors.json()}};
    std::printf("%s\n", result.dump().c_str());
    std::fflush(stdout);
    pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
    const auto limit = std::chrono::duration_cast<std::chrono::milliseconds>(load.duration);
    ::poll(&input, 1, static_cast<int>(limit.count()));
    return result;
}

} // namespace bench
