#include "tests/support/middle.hpp"

#include <array>
#include <cerrno>
#include <utility>

#include <poll.h>
#include <sys/socket.h>

namespace tunnel::test {

namespace {

constexpr int between_looks = 5; // milliseconds, since nothing else wakes the thread

} // namespace

Middle::Middle(const tcp::endpoint& target) : target_(target), thread_([this] { run(); }) {}

Middle::~Middle()
{
    stopping_ = true;
    thread_.join();
}

std::size_t Middle::connections() const
{
    const std::lock_guard lock(mutex_);
    return all_.size();
}

std::string Middle::recorded(std::size_t connection) const
{
    const std::lock_guard lock(mutex_);
    return all_.at(connection).up;
}

std::string Middle::everything() const
{
    const std::lock_guard lock(mutex_);
    std::string bytes;
    for (const Passing& each : all_)
        bytes.append(each.up).append(each.down);
    return bytes;
}

void Middle::ask(std::size_t connection, bool Passing::*what)
{
    const std::lock_guard lock(mutex_);
    all_.at(connection).*what = true;
}

void Middle::run()
{
    while (!stopping_) {
        std::vector<pollfd> polls;
        {
            const std::lock_guard lock(mutex_);
            for (Passing& each : all_) {
                if (std::exchange(each.to_end, false)) {
                    each.dialler.finish();
                    each.target.finish();
                    each.ended = true;
                }
                const auto wanted = [](bool open) { return static_cast<short>(open ? POLLIN : 0); };
                polls.push_back(
                    {each.up_open ? each.dialler.descriptor() : -1, wanted(each.up_open), 0});
                polls.push_back(
                    {each.down_open ? each.target.descriptor() : -1, wanted(each.down_open), 0});
            }
        }
        polls.push_back({server_.descriptor(), POLLIN, 0});
        ::poll(polls.data(), polls.size(), between_looks);
        const std::lock_guard lock(mutex_);
        for (std::size_t i = 0; i + 1 < polls.size(); ++i) {
            if (polls[i].revents != 0)
                pass(all_[i / 2], i % 2 == 0);
        }
        if (polls.back().revents != 0)
            all_.push_back({server_.accept(), Stream::connect(target_)});
    }
}

void Middle::pass(Passing& passing, bool upwards)
{
    Stream& from = upwards ? passing.dialler : passing.target;
    Stream& to = upwards ? passing.target : passing.dialler;
    bool& open = upwards ? passing.up_open : passing.down_open;
    if (!open) // with the other way, a moment ago
        return;
    std::array<char, 65536> buffer;
    const ssize_t size = ::recv(from.descriptor(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size < 0 && errno == EAGAIN)
        return;
    if (size <= 0) {
        open = false;
        if (size < 0)
            to.reset();
        else if (!passing.ended)
            to.finish();
        if (size < 0 || !(passing.up_open || passing.down_open)) {
            passing.up_open = passing.down_open = false;
            from.release().close();
            to.release().close();
        }
        return;
    }
    if (!upwards && std::exchange(passing.to_change, false))
        buffer[static_cast<std::size_t>(size) - 1] ^= 1;
    (upwards ? passing.up : passing.down).append(buffer.data(), static_cast<std::size_t>(size));
    if (passing.ended)
        return;
    try {
        to.send({buffer.data(), static_cast<std::size_t>(size)});
    } catch (const std::system_error&) {
        open = false; // it is told when that one is read
    }
}

} // namespace tunnel::test
