#include "common/management/successor.hpp"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/fd.hpp"

namespace tunnel {

namespace {

constexpr int successor_backlog = 64; // a stranger may fill it, but not with a few connections
constexpr int longest_wait = 1000;    // ms
constexpr char given_up = '1';        // the whole answer; nothing: it is not given up
constexpr std::string_view name_prefix = "tunneled-reverse-proxy management ";

struct AbstractAddress {
    sockaddr_un address{};
    socklen_t size = 0;
};

// Paths may be as long as an abstract name, so of a long one the end counts.
AbstractAddress name_for(std::string_view where)
{
    AbstractAddress name;
    name.address.sun_family = AF_UNIX;
    constexpr std::size_t room = sizeof name.address.sun_path - 1 - name_prefix.size();
    where = where.substr(where.size() - std::min(where.size(), room));
    char* const begin = name.address.sun_path + 1; // the first byte is 0: no file
    const char* const end = std::ranges::copy(where, std::ranges::copy(name_prefix, begin).out).out;
    name.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 +
                                       static_cast<std::size_t>(end - begin));
    return name;
}

const sockaddr* generic(const AbstractAddress& name)
{
    return reinterpret_cast<const sockaddr*>(&name.address);
}

Fd unix_socket()
{
    return Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

bool is_trusted(const Fd& peer)
{
    ucred who{};
    socklen_t size = sizeof who;
    return ::getsockopt(peer.get(), SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 &&
           (who.uid == 0 || who.uid == ::geteuid());
}

} // namespace

SuccessorSocket::SuccessorSocket(const asio::any_io_executor& executor, std::string_view where,
                                 GivenSockets& given)
{
    const AbstractAddress name = name_for(where);
    constexpr std::size_t before = offsetof(sockaddr_un, sun_path);
    if (auto socket = given.take(std::string(name.address.sun_path, name.size - before))) {
        listening_.emplace(executor, socket->release());
        return;
    }
    Fd socket = unix_socket();
    if (socket.is_open() && ::bind(socket.get(), generic(name), name.size) == 0 &&
        ::listen(socket.get(), successor_backlog) == 0)
        listening_.emplace(executor, socket.release());
}

awaitable<void> SuccessorSocket::serve(std::function<bool()> give_up)
{
    while (listening_) {
        std::error_code error;
        co_await listening_->async_wait(asio::posix::stream_descriptor::wait_read,
                                        redirect_error(use_awaitable, error));
        if (!listening_) // by leave()
            co_return;
        if (error)
            throw std::system_error(error);
        const Fd peer(
            ::accept4(listening_->native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (peer.is_open() && is_trusted(peer) && give_up()) {
            listening_.reset(); // the successor has the name from here on
            ::send(peer.get(), &given_up, sizeof given_up, MSG_DONTWAIT | MSG_NOSIGNAL);
        } else { // whoever asks in a loop keeps nobody else from the thread
            co_await sleep_for(std::chrono::milliseconds(10));
        }
    }
}

bool is_given_up(std::string_view where)
{
    const AbstractAddress name = name_for(where);
    const Fd socket = unix_socket();
    if (!socket.is_open() || ::connect(socket.get(), generic(name), name.size) != 0)
        return false;
    pollfd end{socket.get(), POLLIN, 0};
    char answer = 0;
    return ::poll(&end, 1, longest_wait) == 1 &&
           ::recv(socket.get(), &answer, sizeof answer, MSG_DONTWAIT) == sizeof answer &&
           answer == given_up;
}

} // namespace tunnel
