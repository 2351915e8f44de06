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
#include <unordered_set>
#include <utility>

#include <fmt/format.h>

#include "tests/bench/connection.hpp"
#include "tests/bench/hello.hpp"
#include "tests/bench/protocol.hpp"
#include "tests/bench/result.hpp"
#include "tests/bench/stream.hpp"

namespace bench {
namespace {

constexpr std::chrono::seconds patience{20};
constexpr std::size_t longest_head = 16 * 1024;
constexpr std::size_t most_at_once = 512 * 1024; // of a download, before others have their turn

const std::string& filler()
{
    static const std::string bytes(128 * 1024, 'x');
    return bytes;
}

void sink(Connection& visitor)
{
    std::uint64_t bytes = 0;
    const char ready = static_cast<char>(Service::sink);
    if (visitor.send_all({&ready, 1}) && read_blocks(visitor, bytes, [] {}))
        visitor.send_all({reinterpret_cast<const char*>(&bytes), sizeof bytes});
}

void source(Connection& visitor)
{
    const char ready = static_cast<char>(Service::source);
    char go = 0;
    if (visitor.send_all({&ready, 1}) && visitor.receive_all({&go, 1}))
        write_blocks(visitor, [&visitor] { return visitor.take_byte_if_ready(); });
}

void respond(Connection& visitor)
{
    std::string request;
    std::array<char, 64 * 1024> piece;
    ssize_t received = 0;
    while ((received = visitor.receive(piece)) > 0)
        request.append(piece.data(), static_cast<std::size_t>(received));
    if (received == 0)
        visitor.send_all(stream_of(digest(request), response_size));
}

// What moves much data has a thread of its own with blocking calls, as most servers would; echo is
// one loop, since 8,000 threads would be measured instead of the tunnel.
void serve_in_thread(Connection visitor, Service service)
{
    set_blocking(visitor.fd(), patience);
    std::thread([visitor = std::move(visitor), service]() mutable {
        if (service == Service::sink)
            sink(visitor);
        else if (service == Service::source)
            source(visitor);
        else
            respond(visitor);
    }).detach();
}

struct Visitor {
    enum class Stage { first_byte, hello, http, upload, echo };

    Connection connection;
    Stage stage = Stage::first_byte;
    bool blocked = false; // it does not read; nor is it read from then
    std::string unsent;
    std::uint64_t download = 0; // what is to be sent behind it
    std::uint64_t upload = 0;   // what is to come of a body
    bool after_hello = false;   // there is more to read, of which epoll may know nothing
    std::string head;           // of a ClientHello or a request, as far as it is here
    std::string answer;         // that waits for the end of a body
};

class Server {
public:
    Server(Fd listener, TlsContext tls)
        : listener_(std::move(listener)), tls_(std::move(tls)), epoll_(::epoll_create1(0))
    {
        watch(listener_.get(), EPOLLIN, EPOLL_CTL_ADD);
    }

    void run()
    {
        std::array<epoll_event, 256> events{};
        for (;;) {
            const int count =
                ::epoll_wait(epoll_.get(), events.data(), events.size(), until_next_event());
            for (int i = 0; i < count; ++i) {
                const int fd = events[static_cast<std::size_t>(i)].data.fd;
                if (fd == listener_.get())
                    accept();
                else if (!turn(visitors_.at(fd)))
                    forget(fd);
            }
            if (!listeners_.empty() && Clock::now() >= next_event_)
                send_events();
        }
    }

private:
    // In milliseconds, as epoll wants it.
    int until_next_event() const
    {
        using std::chrono::milliseconds;
        if (listeners_.empty())
            return -1;
        const auto left = std::chrono::ceil<milliseconds>(next_event_ - Clock::now());
        return static_cast<int>(std::max(left, milliseconds(0)).count());
    }

    void send_events()
    {
        next_event_ = Clock::now() + event_interval;
        for (auto listener = listeners_.begin(); listener != listeners_.end();) {
            const int fd = *listener++; // forget() takes it away
            Visitor& visitor = visitors_.at(fd);
            if (visitor.blocked)
                continue;
            const std::string event = event_of(Clock::now().time_since_epoch());
            if (!send(visitor, fmt::format("{:x}\r\n{}\r\n", event.size(), event)))
                forget(fd);
        }
    }

    void forget(int fd)
    {
        listeners_.erase(fd);
        visitors_.erase(fd);
    }

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
            visitors_[fd].connection = Connection(Fd(fd));
            watch(fd, EPOLLIN, EPOLL_CTL_ADD);
        }
    }

    // False: this visitor is done.
    bool turn(Visitor& visitor)
    {
        if (visitor.blocked && !send(visitor, std::exchange(visitor.unsent, {})))
            return false;
        if (visitor.blocked)
            return true;
        for (;;) {
            const ssize_t received = visitor.connection.receive({buffer_.data(), want(visitor)});
            if (received <= 0)
                return received < 0 && errno == EAGAIN;
            if (!take(visitor, {buffer_.data(), static_cast<std::size_t>(received)}))
                return false;
            // Behind a hello more is here already, or TLS has to begin.
            const bool more = visitor.connection.may_hold_more() || visitor.after_hello;
            visitor.after_hello = false;
            if (visitor.blocked || !more)
                return true;
        }
    }

    // Never more than the stage's own bytes: what follows may belong to a thread.
    std::size_t want(const Visitor& visitor) const
    {
        if (visitor.stage == Visitor::Stage::first_byte)
            return 1;
        if (visitor.stage == Visitor::Stage::hello)
            return prepared_hello().size() - visitor.head.size();
        return buffer_.size();
    }

    bool take(Visitor& visitor, std::string_view bytes)
    {
        switch (visitor.stage) {
        case Visitor::Stage::first_byte:
            return choose(visitor, bytes);
        case Visitor::Stage::hello:
            return take_hello(visitor, bytes);
        case Visitor::Stage::http:
            return take_request(visitor, bytes);
        case Visitor::Stage::upload:
            return take_body(visitor, bytes);
        case Visitor::Stage::echo:
            break;
        }
        return send(visitor, bytes);
    }

    bool choose(Visitor& visitor, std::string_view byte)
    {
        const auto service = static_cast<Service>(byte[0]);
        if (service == Service::echo) {
            visitor.stage = Visitor::Stage::echo;
            return send(visitor, byte);
        }
        if (service == Service::hello || service == Service::http || service == Service::post) {
            visitor.stage =
                service == Service::hello ? Visitor::Stage::hello : Visitor::Stage::http;
            visitor.head = byte;
            return true;
        }
        ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, visitor.connection.fd(), nullptr);
        serve_in_thread(std::move(visitor.connection), service);
        return false;
    }

    // The prepared one is left out; any other begins TLS.
    bool take_hello(Visitor& visitor, std::string_view bytes)
    {
        visitor.head += bytes;
        if (prepared_hello().starts_with(visitor.head)) {
            if (visitor.head.size() < prepared_hello().size())
                return true;
        } else if (!tls_ || visitor.connection.is_tls() ||
                   !visitor.connection.become_server(*tls_, visitor.head)) {
            return false;
        }
        visitor.head.clear();
        visitor.stage = Visitor::Stage::first_byte;
        visitor.after_hello = true;
        return true;
    }

    bool take_request(Visitor& visitor, std::string_view bytes)
    {
        visitor.head += bytes;
        const std::size_t end = visitor.head.find(end_of_head);
        if (end == std::string::npos)
            return visitor.head.size() < longest_head;
        HttpAnswer answer = answer_to(std::string_view(visitor.head).substr(0, end + 2));
        const std::string body = visitor.head.substr(end + end_of_head.size());
        visitor.head.clear();
        if (answer.upload > 0) {
            visitor.stage = Visitor::Stage::upload;
            visitor.upload = answer.upload;
            visitor.answer = std::move(answer.bytes);
            return take_body(visitor, body);
        }
        if (answer.is_raw)
            visitor.stage = Visitor::Stage::first_byte;
        if (answer.has_events)
            listeners_.insert(visitor.connection.fd());
        visitor.download = answer.download;
        return body.empty() && send(visitor, answer.bytes) && !answer.ends;
    }

    bool take_body(Visitor& visitor, std::string_view bytes)
    {
        if (bytes.size() > visitor.upload)
            return false;
        visitor.upload -= bytes.size();
        if (visitor.upload > 0)
            return true;
        visitor.stage = Visitor::Stage::http;
        return send(visitor, std::exchange(visitor.answer, {}));
    }

    bool send(Visitor& visitor, std::string_view bytes)
    {
        const ssize_t sent = bytes.empty() ? 0 : visitor.connection.send(bytes);
        if (sent < 0 && errno != EAGAIN)
            return false;
        const bool was_blocked = visitor.blocked;
        visitor.unsent = bytes.substr(static_cast<std::size_t>(std::max<ssize_t>(sent, 0)));
        if (visitor.unsent.empty() && !send_download(visitor))
            return false;
        visitor.blocked = !visitor.unsent.empty() || visitor.download > 0;
        if (visitor.blocked != was_blocked)
            watch(visitor.connection.fd(), visitor.blocked ? EPOLLOUT : EPOLLIN, EPOLL_CTL_MOD);
        return true;
    }

    bool send_download(Visitor& visitor)
    {
        for (std::size_t all = 0; visitor.download > 0 && all < most_at_once;) {
            const auto piece = std::string_view(filler()).substr(0, visitor.download);
            const ssize_t sent = visitor.connection.send(piece);
            if (sent < 0)
                return errno == EAGAIN;
            visitor.download -= static_cast<std::uint64_t>(sent);
            all += static_cast<std::size_t>(sent);
        }
        return true;
    }

    Fd listener_;
    TlsContext tls_; // null: nobody may speak it
    Fd epoll_;
    std::unordered_map<int, Visitor> visitors_;
    std::unordered_set<int> listeners_; // to whom events go
    Clock::time_point next_event_{};
    std::array<char, 64 * 1024> buffer_{};
};

} // namespace

void serve(const sockaddr_in& where, const std::string& certificate)
{
    sockaddr_in bound{};
    TlsContext tls = certificate.empty() ? nullptr : server_tls(certificate);
    Server server(listen_on(where, bound), std::move(tls));
    std::printf("listening %d\n", ntohs(bound.sin_port));
    std::fflush(stdout);
    server.run();
}

} // namespace bench
