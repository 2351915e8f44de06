#include "common/service_manager/service_manager.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/json.hpp"
#include "common/base/number.hpp"

namespace tunnel {

namespace {

constexpr const char* watchdog_key = "watchdog_usec"; // as the variable is called

// Each line is an assignment, so a text must not hold the end of one.
std::string in_one_line(std::string_view text)
{
    std::string line(text.substr(0, 512));
    std::ranges::replace_if(
        line, [](unsigned char c) { return c < ' ' || c == 0x7f; }, ' ');
    return line;
}

// For this process alone: a program that it starts is not the service. Empty: there was none.
std::string taken(const char* variable)
{
    const char* const value = std::getenv(variable);
    std::string text = value != nullptr ? value : "";
    ::unsetenv(variable);
    return text;
}

// "/path", or "@name" of the abstract namespace, where a byte of 0 stands for the @.
Fd connected_to(const std::string& name)
{
    sockaddr_un address{};
    const bool is_possible = name.size() > 1 && name.size() < sizeof address.sun_path &&
                             (name[0] == '/' || name[0] == '@');
    if (!is_possible)
        return Fd();
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    if (name[0] == '@')
        address.sun_path[0] = '\0';
    const auto size = offsetof(sockaddr_un, sun_path) + name.size() + (name[0] == '/' ? 1 : 0);
    Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (socket.is_open() && ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address),
                                      static_cast<socklen_t>(size)) == 0)
        return socket;
    return Fd();
}

std::uint64_t microseconds_of_the_clock()
{
    const auto now = ServiceManager::Clock::now().time_since_epoch(); // CLOCK_MONOTONIC
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(now).count());
}

} // namespace

ServiceManager ServiceManager::from_environment()
{
    ServiceManager manager;
    manager.socket_ = connected_to(taken("NOTIFY_SOCKET"));
    const std::string interval = taken("WATCHDOG_USEC");
    const std::string watched = taken("WATCHDOG_PID");
    const auto count = parse_whole<std::uint64_t>(interval);
    const bool is_ours = watched.empty() || watched == std::to_string(::getpid());
    if (manager.is_there() && is_ours && count)
        manager.watch_every(*count);
    return manager;
}

void ServiceManager::ready(std::string_view text)
{
    if (text.empty()) {
        send("READY=1");
        return;
    }
    status_ = in_one_line(text);
    send("READY=1\nSTATUS=" + status_);
}

// With the time, by which `Type=notify-reload` tells this reload from an earlier one.
void ServiceManager::reloading()
{
    send(fmt::format("RELOADING=1\nMONOTONIC_USEC={}", microseconds_of_the_clock()));
}

void ServiceManager::stopping(std::chrono::milliseconds most)
{
    send(fmt::format("STOPPING=1\nEXTEND_TIMEOUT_USEC={}",
                     std::chrono::duration_cast<std::chrono::microseconds>(most).count()));
}

void ServiceManager::status(std::string_view text)
{
    if (!is_there())
        return;
    std::string line = in_one_line(text);
    if (line == status_)
        return;
    send("STATUS=" + line);
    status_ = std::move(line);
}

void ServiceManager::main_pid(pid_t pid)
{
    send(fmt::format("MAINPID={}", pid));
}

std::string ServiceManager::with_watchdog(const std::string& state) const
{
    if (!watchdog_)
        return state;
    Json json = Json::parse(state);
    json[watchdog_key] = watchdog_->count();
    return to_line(json);
}

void ServiceManager::take_watchdog(const std::string& state)
{
    const Json json = Json::parse(state, nullptr, false);
    if (watchdog_ || !is_there() || !json.is_object() || !json.contains(watchdog_key))
        return;
    if (const Json& interval = json[watchdog_key]; interval.is_number_unsigned())
        watch_every(interval.get<std::uint64_t>());
}

void ServiceManager::watch_every(std::uint64_t microseconds)
{
    constexpr std::uint64_t longest = std::uint64_t{1} << 50; // 35 years
    if (microseconds > 0 && microseconds < longest)
        watchdog_ = std::chrono::microseconds(microseconds);
}

void ServiceManager::alive()
{
    send("WATCHDOG=1");
}

void ServiceManager::send(const std::string& message) const
{
    if (is_there())
        ::send(socket_.get(), message.data(), message.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
}

} // namespace tunnel
