#include "tests/bench/opening.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <string>
#include <sys/epoll.h>
#include <utility>

namespace bench {
namespace {

constexpr std::chrono::seconds patience{5};
constexpr std::uint64_t enough_errors = 1000; // a refusing port would be asked a million times

class Openings {
public:
    using Opened = std::function<void(Connection, Clock::duration)>;

    Openings(const Opening& opening, Errors& errors, const Opened& opened)
        : opening_(opening),
          exchange_(first_exchange(opening.protocol, opening.keep)),
          errors_(errors),
          opened_(opened),
          epoll_(::epoll_create1(0)),
          slots_(static_cast<std::size_t>(opening.at_once)),
          end_(Clock::now() + opening.duration)
    {
    }

    void run()
    {
        for (std::size_t i = 0; i < slots_.size(); ++i)
            start(i);
        std::array<epoll_event, 256> events{};
        while (waiting_ > 0) {
            const int count = ::epoll_wait(epoll_.get(), events.data(), events.size(), 100);
            for (int i = 0; i < count; ++i)
                turn(events[static_cast<std::size_t>(i)].data.u64);
            if (Clock::now() >= next_look_)
                give_up_on_late_ones();
        }
    }

private:
    struct Slot {
        Connection connection;
        Clock::time_point started{};
        bool asked = false;
        std::string answer;
        std::string error;
    };

    bool may_start() const
    {
        return started_ < opening_.count && Clock::now() < end_ && failed_ < enough_errors;
    }

    void start(std::size_t index)
    {
        Slot& slot = slots_[index];
        while (may_start()) {
            ++started_;
            slot.asked = false;
            slot.answer.clear();
            slot.error.clear();
            slot.started = Clock::now();
            slot.connection = Connection(start_connecting(next_target()));
            if (!slot.connection.is_open()) {
                count_error("connect: " + last_error());
                continue;
            }
            if (opening_.protocol == Protocol::https &&
                !slot.connection.become_client(*opening_.tls)) {
                slot.connection = Connection();
                count_error("no TLS");
                continue;
            }
            ++waiting_;
            ask(slot); // over loopback the connection is mostly there by now
            epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLET, .data = {.u64 = index}};
            ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, slot.connection.fd(), &event);
            return;
        }
    }

    sockaddr_in next_target() const
    {
        sockaddr_in target = opening_.target;
        target.sin_port =
            htons(static_cast<std::uint16_t>(ntohs(target.sin_port) + started_ % opening_.ports));
        return target;
    }

    void ask(Slot& slot)
    {
        const ssize_t sent = slot.connection.send(exchange_.request);
        slot.asked = sent > 0; // so little goes whole or not at all
        if (sent == 0)
            slot.error = "closed without an answer";
        else if (!slot.asked && errno != EAGAIN && errno != ENOTCONN)
            slot.error = last_error(); // told once: the next call would find the socket in order
    }

    void turn(std::size_t index)
    {
        Slot& slot = slots_[index];
        if (!slot.connection.is_open())
            return;
        if (!slot.asked && slot.error.empty())
            ask(slot);
        if (slot.error.empty() && (!slot.asked || !receive(slot)))
            return; // TLS that has not asked yet goes on only in ask()
        const auto now = Clock::now();
        --waiting_;
        Connection connection = std::exchange(slot.connection, Connection());
        if (!slot.error.empty())
            count_error(slot.error);
        else if (now < end_)
            opened_(std::move(connection), now - slot.started);
        start(index);
    }

    // False: there is more to come. Otherwise the answer is whole, or the error is set.
    bool receive(Slot& slot)
    {
        for (;;) {
            const ssize_t received = slot.connection.receive(buffer_);
            if (received < 0 && (errno == EAGAIN || errno == ENOTCONN))
                return false;
            if (received > 0)
                slot.answer.append(buffer_.data(), static_cast<std::size_t>(received));
            const bool whole = slot.answer.ends_with(exchange_.answer_end);
            if (whole && received >= 0 && exchange_.until_end == (received == 0))
                return true;
            if (received > 0)
                continue;
            if (received < 0)
                slot.error = last_error();
            else
                slot.error = slot.answer.empty() ? "closed without an answer" : "a wrong answer";
            return true;
        }
    }

    void give_up_on_late_ones()
    {
        const auto now = Clock::now();
        next_look_ = now + std::chrono::milliseconds(100);
        for (std::size_t i = 0; i < slots_.size(); ++i)
            if (slots_[i].connection.is_open() && now - slots_[i].started > patience) {
                --waiting_;
                slots_[i].connection = Connection();
                count_error("no answer in time");
                start(i);
            }
    }

    void count_error(const std::string& what)
    {
        ++failed_;
        errors_.add(what);
    }

    const Opening& opening_;
    Exchange exchange_;
    Errors& errors_;
    const Opened& opened_;
    Fd epoll_;
    std::vector<Slot> slots_;
    std::array<char, 4096> buffer_{};
    Clock::time_point end_;
    Clock::time_point next_look_{};
    std::uint64_t started_ = 0;
    std::uint64_t failed_ = 0;
    std::uint64_t waiting_ = 0;
};

} // namespace

void open_visitors(const Opening& opening, Errors& errors,
                   const std::function<void(Connection, Clock::duration)>& opened)
{
    Openings(opening, errors, opened).run();
}

std::vector<Connection> open_many(const sockaddr_in& target, std::uint64_t count, Protocol protocol,
                                  SSL_CTX* tls, Errors& errors)
{
    std::vector<Connection> visitors;
    visitors.reserve(count);
    const Opening opening{.target = target,
                          .protocol = protocol,
                          .tls = tls,
                          .at_once = static_cast<int>(std::min<std::uint64_t>(count, 64)),
                          .count = count};
    open_visitors(opening, errors, [&](Connection visitor, Clock::duration) {
        visitors.push_back(std::move(visitor));
    });
    return visitors;
}

} // namespace bench
