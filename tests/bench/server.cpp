#include "tests/bench/server.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <string>
#include <string_view>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <thread>
#include <unordered_map>
#include <utility>

#include "tests/bench/socket.hpp"
#include "tests/bench/stream.hpp"

namespace bench {
namespace {

constexpr std::chrono::seconds patience{20};

void sink(int socket)
{
    std::uint64_t bytes = 0;
    const char ready = static_cast<char>(Service::sink);
    if (send_all(socket, {&ready, 1}) && read_blocks(socket, bytes, [] {}))
        send_all(socket, {reinterpret_cast<const char*>(&bytes), sizeof bytes});
}

void source(int socket)
{
    const char ready = static_cast<char>(Service::source);
    char go = 0;
    if (!send_all(socket, {&ready, 1}) || !receive_all(socket, {&go, 1}))
        return;
    write_blocks(socket, [socket] {
        char stop = 0;
        return ::recv(socket, &stop, 1, MSG_DONTWAIT) >= 0;
    });
}

void respond(int socket)
{
    std::string request;
    std::array<char, 64 * 1024> piece;
    ssize_t received = 0;
    while ((received = ::recv(socket, piece.data(), piece.size(), 0)) > 0)
        request.append(piece.data(), static_cast<std::size_t>(received));
    if (received == 0)
        send_all(socket, stream_of(digest(request), response_size));
}

// What moves much data has a thread of its own with blocking calls, as most servers would; echo is
// one loop, since 8,000 threads would be measured instead of the tunnel.
void serve_in_thread(Fd visitor, Service service)
{
    set_blocking(visitor.get(), patience);
    std::thread([visitor = std::move(visitor), service] {
        if (service == Service::sink)
            sink(visitor.get());
        else if (service == Service::source)
            source(visitor.get());
        else
            respond(visitor.get());
    }).detach();
}

struct Visitor {
    Fd socket;
    bool known = false;   // which service it wants
    bool blocked = false; // it does not read; nor is it read from then
    std::string unsent;
};

class Server {
public:
    explicit Server(Fd listener) : listener_(std::move(listener)), epoll_(::epoll_create1(0))
    {
        watch(listener_.get(), EPOLLIN, EPOLL_CTL_ADD);
    }

    void run()
    {
        std::array<epoll_event, 256> events{};
        for (;;) {
            const int count = ::epoll_wait(epoll_.get(), events.data(), events.size(), -1);
            for (int i = 0; i < count; ++i) {
                const int fd = events[static_cast<std::size_t>(i)].data.fd;
                if (fd == listener_.get())
                    accept();
                else if (!turn(visitors_.at(fd)))
                    visitors_.erase(fd);
            }
        }
    }

private:
    void watch(int fd, std::uint32_t what, int operation)
    {
        epoll_event event{.events = what, .data = {.fd = fd}};
        ::epoll_ctl(epoll_.get(), operation, fd, &event);
    }

    void accept()
    {
        for (int batch = 0; batch < 64; ++batch) {
            const int fd =
                ::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (fd < 0)
                return;
            set_nodelay(fd);
            visitors_[fd].socket = Fd(fd);
            watch(fd, EPOLLIN, EPOLL_CTL_ADD);
        }
    }

    // False: this visitor is done.
    bool turn(Visitor& visitor)
    {
        const int fd = visitor.socket.get();
        if (visitor.blocked)
            return send(visitor, std::exchange(visitor.unsent, {}));
        // A byte first: what follows may belong to a thread.
        const ssize_t received = ::recv(fd, buffer_.data(), visitor.known ? buffer_.size() : 1, 0);
        if (received <= 0)
            return received < 0 && errno == EAGAIN;
        const auto service = static_cast<Service>(buffer_[0]);
        if (!visitor.known && service != Service::echo) {
            ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
            serve_in_thread(std::move(visitor.socket), service);
            return false;
        }
        visitor.known = true;
        return send(visitor, {buffer_.data(), static_cast<std::size_t>(received)});
    }

    bool send(Visitor& visitor, std::string_view bytes)
    {
        const int fd = visitor.socket.get();
        const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN)
            return false;
        const bool was_blocked = visitor.blocked;
        visitor.unsent = bytes.substr(static_cast<std::size_t>(std::max<ssize_t>(sent, 0)));
        visitor.blocked = !visitor.unsent.empty();
        if (visitor.blocked != was_blocked)
            watch(fd, visitor.blocked ? EPOLLOUT : EPOLLIN, EPOLL_CTL_MOD);
        return true;
    }

    Fd listener_;
    Fd epoll_;
    std::unordered_map<int, Visitor> visitors_;
    std::array<char, 64 * 1024> buffer_{};
};

} // namespace

void serve(const sockaddr_in& where)
{
    sockaddr_in bound{};
    Server server(listen_on(where, bound));
    std::printf("listening %d\n", ntohs(bound.sin_port));
    std::fflush(stdout);
    server.run();
}

} // namespace bench
