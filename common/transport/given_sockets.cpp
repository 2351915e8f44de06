#include "common/transport/given_sockets.hpp"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <stdexcept>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/base/error.hpp"
#include "common/transport/socket.hpp"

namespace tunnel {

namespace {

// Of the kernel's answer, which ends a path with a zero byte or not.
std::string path_of(const sockaddr_storage& address, socklen_t size)
{
    const auto* const local = reinterpret_cast<const sockaddr_un*>(&address);
    constexpr std::size_t before = offsetof(sockaddr_un, sun_path);
    if (size <= before)
        return {};
    std::string path(local->sun_path, size - before);
    if (path.front() != '\0')
        path.erase(std::min(path.find('\0'), path.size()));
    return path;
}

[[noreturn]] void refuse(const Fd& socket, const std::string& use, std::string_view why)
{
    throw std::runtime_error(fmt::format("descriptor {}{}: {}, so nothing can listen there",
                                         socket.get(), use.empty() ? "" : " (" + use + ")", why));
}

} // namespace

void GivenSockets::add(Fd socket, std::string use)
{
    int type = 0;
    socklen_t type_size = sizeof type;
    if (::getsockopt(socket.get(), SOL_SOCKET, SO_TYPE, &type, &type_size) != 0)
        refuse(socket, use, last_error().message());
    if (type != SOCK_STREAM && type != SOCK_SEQPACKET)
        refuse(socket, use, "it is no stream socket");
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    if (::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
        refuse(socket, use, last_error().message());
    ::fcntl(socket.get(), F_SETFD, FD_CLOEXEC);
    ::fcntl(socket.get(), F_SETFL, O_NONBLOCK);
    Given given{std::move(socket), std::move(use), {}};
    if (address.ss_family == AF_UNIX) {
        given.path = path_of(address, size);
    } else if (address.ss_family == AF_INET || address.ss_family == AF_INET6) {
        given.endpoint.emplace();
        std::copy_n(reinterpret_cast<const std::byte*>(&address), size,
                    reinterpret_cast<std::byte*>(given.endpoint->data()));
        given.endpoint->resize(size);
    } else {
        refuse(given.socket, given.use, "it has an address of another kind");
    }
    all_.push_back(std::move(given));
}

std::optional<Fd> GivenSockets::take(const tcp::endpoint& where, std::string_view use)
{
    auto found = std::ranges::find(all_, std::optional(where), &Given::endpoint);
    if (found == all_.end() && where.port() == 0 && !use.empty())
        found = std::ranges::find_if(all_, [&](const Given& each) {
            return each.use == use && each.endpoint && each.endpoint->address() == where.address();
        });
    return take(found);
}

std::optional<Fd> GivenSockets::take(const std::string& path)
{
    return take(std::ranges::find_if(
        all_, [&](const Given& each) { return !each.endpoint && each.path == path; }));
}

std::optional<Fd> GivenSockets::take(std::vector<Given>::iterator found)
{
    if (found == all_.end())
        return std::nullopt;
    Fd socket = std::move(found->socket);
    all_.erase(found);
    return socket;
}

std::map<std::string, std::uint16_t> GivenSockets::ports() const
{
    std::map<std::string, std::uint16_t> all;
    for (const Given& each : all_) {
        if (each.endpoint && !each.use.empty())
            all.emplace(each.use, each.endpoint->port());
    }
    return all;
}

std::vector<std::string> GivenSockets::left() const
{
    std::vector<std::string> addresses;
    for (const Given& each : all_)
        addresses.push_back(each.endpoint ? to_string(*each.endpoint) : "unix:" + each.path);
    return addresses;
}

} // namespace tunnel
