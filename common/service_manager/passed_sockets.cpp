#include "common/service_manager/passed_sockets.hpp"

#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/log.hpp"
#include "common/base/number.hpp"
#include "common/base/wrong_configuration.hpp"

namespace tunnel {

namespace {

constexpr std::uint32_t most_passed = 1024; // a program has few descriptors beside them otherwise
constexpr int first_passed = STDERR_FILENO + 1;
constexpr int backlog = 4096; // the kernel lowers it to net.core.somaxconn

std::string removed(const char* variable)
{
    const char* const value = std::getenv(variable);
    std::string text = value != nullptr ? value : "";
    ::unsetenv(variable);
    return text;
}

// 0: it cannot be asked for that.
int option_of(const Fd& socket, int option)
{
    int value = 0;
    socklen_t size = sizeof value;
    return ::getsockopt(socket.get(), SOL_SOCKET, option, &value, &size) == 0 ? value : 0;
}

// It need not listen: a former run may have ended, by force, while it did not.
bool may_listen(const Fd& socket)
{
    return option_of(socket, SO_TYPE) == SOCK_STREAM &&
           (option_of(socket, SO_ACCEPTCONN) == 1 || ::listen(socket.get(), backlog) == 0);
}

// Up to the next colon, which is taken off.
std::string next_name(std::string_view& names)
{
    const std::size_t colon = names.find(':');
    std::string name(names.substr(0, colon));
    names.remove_prefix(colon == std::string_view::npos ? names.size() : colon + 1);
    return name;
}

std::uint32_t number_of(const std::string& text)
{
    const auto number = parse_number(text);
    if (!number || *number > most_passed)
        throw WrongConfiguration(fmt::format("LISTEN_FDS: \"{}\" is no number of sockets, "
                                             "expected 0 to {}",
                                             log::escape(text), most_passed));
    return *number;
}

} // namespace

PassedSockets::PassedSockets(GivenSockets& given) : given_(given)
{
    const std::string process = removed("LISTEN_PID");
    const std::string number = removed("LISTEN_FDS");
    const std::string all_names = removed("LISTEN_FDNAMES");
    if (number.empty() || process != std::to_string(::getpid()))
        return;
    const int end = first_passed + static_cast<int>(number_of(number));
    std::string_view names = all_names;
    given_.keep_files();
    for (int each = first_passed; each < end; ++each) {
        Fd socket(each);
        std::string name = next_name(names);
        ::fcntl(each, F_SETFD, FD_CLOEXEC);
        ::fcntl(each, F_SETFL, ::fcntl(each, F_GETFL) | O_NONBLOCK);
        if (!may_listen(socket))
            throw WrongConfiguration(
                fmt::format("LISTEN_FDS: descriptor {} ({}) is no stream socket that listens: use "
                            "ListenStream= and no Accept=yes in the socket unit",
                            each, log::escape(name.empty() ? "no name" : name)));
        copies_.emplace_back(::fcntl(each, F_DUPFD_CLOEXEC, end));
        try {
            given_.add(std::move(socket), std::move(name));
        } catch (const std::runtime_error& error) {
            throw WrongConfiguration(
                fmt::format("LISTEN_FDS: descriptor {}: {}", each, error.what()));
        }
    }
}

PassedSockets::~PassedSockets()
{
    for (const Fd& each : copies_)
        ::listen(each.get(), backlog);
}

void PassedSockets::must_be_taken() const
{
    if (copies_.empty() || given_.size() == 0)
        return;
    throw WrongConfiguration(
        fmt::format("LISTEN_FDS: the socket unit has {}, which no option names, so that whoever "
                    "connects there would wait for ever: name the address in the configuration as "
                    "it is there, or take it out of the socket unit",
                    fmt::join(given_.left(), ", ")));
}

} // namespace tunnel
