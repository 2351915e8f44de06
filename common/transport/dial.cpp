#include "common/transport/dial.hpp"

#include <algorithm>
#include <cerrno>
#include <list>
#include <optional>
#include <utility>

#include <sys/socket.h>

#include "common/base/error.hpp"
#include "common/transport/socket.hpp"

namespace tunnel {

namespace {

// RFC 8305, section 5: "Connection Attempt Delay", its usual value and its least.
constexpr Clock::duration usual_delay = std::chrono::milliseconds(250);
constexpr Clock::duration least_delay = std::chrono::milliseconds(10);

// The last of many addresses must have its turn while there is time for it to answer.
Clock::duration attempt_delay(Clock::duration limit, std::size_t addresses)
{
    const auto share = limit / (2 * static_cast<std::int64_t>(std::max<std::size_t>(addresses, 1)));
    return std::clamp(share, least_delay, usual_delay);
}

std::error_code pending_error(int descriptor)
{
    int error = 0;
    auto size = static_cast<socklen_t>(sizeof error);
    if (::getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        error = errno;
    return {error, std::system_category()};
}

// An attempt that was begun. `error` is 0 if it has succeeded, EINPROGRESS while it is under way.
struct Attempt {
    Fd socket;
    int error = 0;
};

Attempt attempt(const tcp::endpoint& endpoint, const Congestion& congestion, Hop hop)
{
    const int family = endpoint.protocol().family();
    Attempt result{Fd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0))};
    if (!result.socket.is_open()) {
        result.error = errno;
        return result;
    }
    keep_urgent_bytes(result.socket.get());
    congestion.prepare_connect(result.socket.get(), endpoint, hop);
    const auto size = static_cast<socklen_t>(endpoint.size());
    const auto connect = [&] {
        result.error = ::connect(result.socket.get(), endpoint.data(), size) == 0 ? 0 : errno;
    };
    connect();
    // Over loopback it is connected already, and a second call says so: connect(2).
    if (result.error == EINPROGRESS)
        connect();
    if (result.error == EISCONN)
        result.error = 0;
    else if (result.error == EALREADY || result.error == EINTR)
        result.error = EINPROGRESS;
    return result;
}

} // namespace

Fd connect_at_once(const tcp::endpoint& endpoint, const Congestion& congestion, Hop hop,
                   std::error_code& error)
{
    Attempt only = attempt(endpoint, congestion, hop);
    error.assign(only.error, std::system_category());
    return error ? Fd() : std::move(only.socket);
}

std::vector<tcp::endpoint> interleave(const std::vector<tcp::endpoint>& endpoints)
{
    std::vector<tcp::endpoint> first;
    std::vector<tcp::endpoint> second;
    for (const tcp::endpoint& endpoint : endpoints) {
        const bool leads = endpoint.protocol() == endpoints.front().protocol();
        (leads ? first : second).push_back(endpoint);
    }
    std::vector<tcp::endpoint> ordered;
    for (std::size_t i = 0; i < std::max(first.size(), second.size()); ++i) {
        if (i < first.size())
            ordered.push_back(first[i]);
        if (i < second.size())
            ordered.push_back(second[i]);
    }
    return ordered;
}

// The attempts of one dial. Shared with the waits for their outcome: those that are cancelled still
// come, after the dial has ended.
struct Dial::Race : std::enable_shared_from_this<Race> {
    Race(asio::any_io_executor its_executor, const std::vector<tcp::endpoint>& endpoints,
         Clock::duration limit, const Congestion& its_congestion, Hop its_hop)
        : executor(std::move(its_executor)),
          ordered(interleave(endpoints)),
          deadline(Clock::now() + limit),
          delay(attempt_delay(limit, ordered.size())),
          congestion(its_congestion),
          hop(its_hop),
          changed(executor)
    {
    }

    bool none_left() const { return running == 0 && started == ordered.size(); }

    bool decided() const { return winner || none_left(); }

    // As many as may be under way now.
    void start_attempts(Clock::time_point now)
    {
        while (!winner && started < ordered.size() && (running == 0 || now >= next_start)) {
            next_start = now + delay;
            const tcp::endpoint& endpoint = ordered[started++];
            take(attempt(endpoint, congestion, hop), endpoint);
        }
    }

    // The first of all, which was begun before.
    void take_first(Attempt begun)
    {
        next_start = Clock::now() + delay;
        take(std::move(begun), ordered[started++]);
    }

    void take(Attempt begun, const tcp::endpoint& endpoint)
    {
        if (begun.error == 0)
            winner = Dialled{std::move(begun.socket), endpoint};
        else if (begun.error == EINPROGRESS)
            wait_for(std::move(begun.socket), endpoint);
        else
            failed({begun.error, std::system_category()});
    }

    void wait_for(Fd socket, const tcp::endpoint& endpoint)
    {
        tcp::socket& attempt = attempts.emplace_back(executor);
        std::error_code error;
        attempt.assign(endpoint.protocol(), socket.get(), error);
        if (error) {
            failed(error);
            return;
        }
        socket.release();
        ++running;
        attempt.async_wait(tcp::socket::wait_write,
                           [race = shared_from_this(), &attempt, endpoint](std::error_code result) {
                               --race->running;
                               std::error_code closed; // by the end of the dial
                               if (result)
                                   race->failed(result);
                               else if (Fd connected(attempt.release(closed)); !closed)
                                   race->decide(std::move(connected), endpoint);
                               race->changed.notify();
                           });
    }

    void decide(Fd socket, const tcp::endpoint& endpoint)
    {
        if (const std::error_code error = pending_error(socket.get()))
            failed(error);
        else if (!winner)
            winner = Dialled{std::move(socket), endpoint};
    }

    void failed(std::error_code error)
    {
        next_start = Clock::now();
        if (!first_failure)
            first_failure = error;
    }

    asio::any_io_executor executor;
    std::vector<tcp::endpoint> ordered;
    Clock::time_point deadline;
    Clock::duration delay; // between two attempts
    Congestion congestion;
    Hop hop;
    Signal changed;
    std::list<tcp::socket> attempts; // that are waited for, or were
    std::size_t started = 0;
    int running = 0;
    Clock::time_point next_start; // of the attempt after those that were started
    std::optional<Dialled> winner;
    std::error_code first_failure;
};

Dial::Dial(asio::any_io_executor executor, const std::vector<tcp::endpoint>& endpoints,
           Clock::duration limit, const Congestion& congestion, Hop hop)
{
    Attempt first;
    if (!endpoints.empty()) {
        first = attempt(endpoints.front(), congestion, hop);
        if (first.error == 0) {
            connected_ = Dialled{std::move(first.socket), endpoints.front()};
            return;
        }
    }
    race_ = std::make_shared<Race>(std::move(executor), endpoints, limit, congestion, hop);
    if (!endpoints.empty())
        race_->take_first(std::move(first));
    race_->start_attempts(Clock::now());
}

Dial::Dial(Dial&& other) noexcept = default;

Dial::~Dial()
{
    if (!race_)
        return;
    for (tcp::socket& attempt : race_->attempts) {
        std::error_code ignored;
        attempt.close(ignored);
    }
}

bool Dial::decided() const
{
    return connected_ || race_->decided();
}

awaitable<Dialled> Dial::finish()
{
    if (connected_)
        co_return std::move(*connected_);
    while (!race_->decided()) {
        const auto now = Clock::now();
        if (now >= race_->deadline)
            fail(make_error_code(std::errc::timed_out), "dial");
        race_->start_attempts(now);
        if (race_->decided())
            break;
        const bool another = race_->started < race_->ordered.size();
        co_await race_->changed.wait_until(another ? std::min(race_->deadline, race_->next_start)
                                                   : race_->deadline);
    }
    if (race_->winner)
        co_return std::move(*race_->winner);
    const std::error_code error = race_->first_failure;
    fail(error ? error : make_error_code(Errc::cannot_resolve), "dial");
}

} // namespace tunnel
