// Whether what arrives is what was sent.
#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <functional>
#include <poll.h>
#include <random>
#include <sys/socket.h>
#include <thread>
#include <vector>

#include "tests/bench/cases.hpp"
#include "tests/bench/socket.hpp"
#include "tests/bench/stream.hpp"

namespace bench {
namespace {

constexpr std::chrono::seconds patience{5};

// `visit` answers what went wrong, nothing if nothing did.
nlohmann::json run_visits(const Load& load, const std::function<std::string(std::uint64_t)>& visit)
{
    Errors errors;
    std::atomic<std::uint64_t> next{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < load.at_once; ++i)
        threads.emplace_back([&] {
            for (auto number = next++; number < load.visitors; number = next++)
                if (const auto error = visit(number); !error.empty())
                    errors.add(error);
        });
    for (auto& thread : threads)
        thread.join();
    return {{"visitors", load.visitors}, {"failed", errors.count()}, {"errors", errors.json()}};
}

std::string half_close(const sockaddr_in& target, std::uint64_t seed)
{
    const Fd socket = connect_blocking(target, patience);
    if (!socket.is_open())
        return "connect: " + last_error();
    const std::string request = stream_of(seed, request_size);
    const char service = static_cast<char>(Service::respond);
    if (!send_all(socket.get(), {&service, 1}) || !send_all(socket.get(), request))
        return "send: " + last_error();
    ::shutdown(socket.get(), SHUT_WR);
    std::string response(response_size, '\0');
    if (!receive_all(socket.get(), response))
        return errno == 0 ? "the answer is cut short" : last_error();
    if (response != stream_of(digest(request), response_size))
        return "the answer is wrong";
    char more = 0;
    return ::recv(socket.get(), &more, 1, 0) == 0 ? "" : "no end after the answer";
}

// Sends at its own pace in pieces of its own sizes while it reads, and finishes when all came back.
class MixedVisit {
public:
    MixedVisit(const sockaddr_in& target, std::uint64_t seed)
        : random_(seed),
          socket_(connect_blocking(target, patience)),
          stream_(stream_of(seed, 1 + random_() % (2 << 20)))
    {
        stream_[0] = static_cast<char>(Service::echo);
    }

    std::string run()
    {
        if (!socket_.is_open())
            return "connect: " + last_error();
        while (received_ < stream_.size()) {
            const bool sending = sent_ < stream_.size();
            pollfd ready{.fd = socket_.get(),
                         .events = static_cast<short>(POLLIN | (sending ? POLLOUT : 0)),
                         .revents = 0};
            if (::poll(&ready, 1, static_cast<int>(milliseconds(patience).count())) == 0)
                return "no answer in time";
            if ((ready.revents & POLLOUT) != 0 && !send_piece())
                return "send: " + last_error();
            if ((ready.revents & ~POLLOUT) != 0)
                if (const auto error = receive_piece(); !error.empty())
                    return error;
        }
        return "";
    }

private:
    using milliseconds = std::chrono::milliseconds;

    bool send_piece()
    {
        constexpr std::array<std::size_t, 6> sizes{1, 100, 1460, 8192, 65536, 262144};
        if (random_() % 64 == 0)
            std::this_thread::sleep_for(milliseconds(1));
        const std::size_t size = 1 + random_() % sizes[random_() % sizes.size()];
        const auto piece = std::string_view(stream_).substr(sent_, size);
        const ssize_t sent =
            ::send(socket_.get(), piece.data(), piece.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        sent_ += static_cast<std::size_t>(std::max<ssize_t>(sent, 0));
        return sent >= 0 || errno == EAGAIN;
    }

    std::string receive_piece()
    {
        std::array<char, 64 * 1024> buffer;
        const ssize_t received = ::recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (received < 0)
            return errno == EAGAIN ? "" : last_error();
        if (received == 0)
            return "closed in the middle";
        const std::string_view piece(buffer.data(), static_cast<std::size_t>(received));
        if (std::string_view(stream_).substr(received_, piece.size()) != piece)
            return "wrong bytes";
        received_ += piece.size();
        return "";
    }

    std::mt19937_64 random_;
    Fd socket_;
    std::string stream_;
    std::size_t sent_ = 0;
    std::size_t received_ = 0;
};

} // namespace

nlohmann::json run_half_close(const Load& load)
{
    return run_visits(load, [&](std::uint64_t seed) { return half_close(load.target, seed); });
}

nlohmann::json run_mixed(const Load& load)
{
    return run_visits(load,
                      [&](std::uint64_t seed) { return MixedVisit(load.target, seed).run(); });
}

} // namespace bench
