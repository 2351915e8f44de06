#include "tests/bench/opening.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <string>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <utility>

#include "tests/bench/stream.hpp"

namespace bench {
namespace {

constexpr std::chrono::seconds patience{5};
constexpr std::uint64_t enough_errors = 1000; // a refusing port would be asked a million times

class Openings {
public:
    using Opened = std::function<void(Fd, Clock::duration)>;

    Openings(const Opening& opening, Errors& errors, const Opened& opened)
        : opening_(opening),
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
        Fd socket;
        Clock::time_point started{};
        bool asked = false;
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
            slot.error.clear();
            slot.started = Clock::now();
            slot.socket = start_connecting(next_target());
            if (!slot.socket.is_open()) {
                count_error("connect: " + last_error());
                continue;
            }
            ++waiting_;
            ask(slot); // over loopback the connection is mostly there by now
            epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLET, .data = {.u64 = index}};
            ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, slot.socket.get(), &event);
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

    static void ask(Slot& slot)
    {
        const char byte = static_cast<char>(Service::echo);
        slot.asked = ::send(slot.socket.get(), &byte, 1, MSG_NOSIGNAL) == 1;
        if (!slot.asked && errno != EAGAIN && errno != ENOTCONN)
            slot.error = last_error(); // told once: the next call would find the socket in order
    }

    void turn(std::size_t index)
    {
        Slot& slot = slots_[index];
        if (!slot.socket.is_open())
            return;
        if (!slot.asked && slot.error.empty())
            ask(slot);
        char byte = 0;
        const ssize_t received = ::recv(slot.socket.get(), &byte, 1, 0);
        if (slot.error.empty() && received < 0 && (errno == EAGAIN || errno == ENOTCONN))
            return;
        const auto now = Clock::now();
        --waiting_;
        Fd socket = std::exchange(slot.socket, Fd());
        if (!slot.error.empty())
            count_error(slot.error);
        else if (received != 1)
            count_error(received == 0 ? "closed without an answer" : last_error());
        else if (now < end_)
            opened_(std::move(socket), now - slot.started);
        start(index);
    }

    void give_up_on_late_ones()
    {
        const auto now = Clock::now();
        next_look_ = now + std::chrono::milliseconds(100);
        for (std::size_t i = 0; i < slots_.size(); ++i)
            if (slots_[i].socket.is_open() && now - slots_[i].started > patience) {
                --waiting_;
                slots_[i].socket = Fd();
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
    Errors& errors_;
    const Opened& opened_;
    Fd epoll_;
    std::vector<Slot> slots_;
    Clock::time_point end_;
    Clock::time_point next_look_{};
    std::uint64_t started_ = 0;
    std::uint64_t failed_ = 0;
    std::uint64_t waiting_ = 0;
};

} // namespace

void open_visitors(const Opening& opening, Errors& errors,
                   const std::function<void(Fd, Clock::duration)>& opened)
{
    Openings(opening, errors, opened).run();
}

std::vector<Fd> open_many(const sockaddr_in& target, std::uint64_t count, Errors& errors)
{
    std::vector<Fd> visitors;
    visitors.reserve(count);
    const Opening opening{.target = target,
                          .at_once = static_cast<int>(std::min<std::uint64_t>(count, 64)),
                          .count = count};
    open_visitors(opening, errors,
                  [&](Fd visitor, Clock::duration) { visitors.push_back(std::move(visitor)); });
    return visitors;
}

} // namespace bench
