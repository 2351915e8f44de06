#include "common/management/management_listener.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <stdexcept>

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/error.hpp"
#include "common/management/successor.hpp"
#include "common/transport/cannot_listen.hpp"
#include "common/transport/socket.hpp"

namespace tunnel {

namespace {

constexpr int backlog = 128;

Fd open_socket(int family)
{
    Fd socket(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!socket.is_open())
        fail(last_error(), "cannot open a socket for --management-addr");
    return socket;
}

sockaddr_un address_of(const std::string& path)
{
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    return address;
}

template <class Address>
const sockaddr* generic(const Address& address)
{
    return reinterpret_cast<const sockaddr*>(&address);
}

// A stopping program gives the address up when asked.
std::error_code bind_to(const Fd& socket, const sockaddr* address, socklen_t size,
                        const std::string& name)
{
    if (::bind(socket.get(), address, size) == 0)
        return {};
    const std::error_code error = last_error();
    if (error != std::errc::address_in_use || !is_given_up(name))
        return error;
    return ::bind(socket.get(), address, size) == 0 ? std::error_code() : last_error();
}

// Only a socket that nobody listens at is.
bool is_left_behind(const std::string& path, const sockaddr_un& address)
{
    struct stat there {};

    if (::lstat(path.c_str(), &there) != 0 || !S_ISSOCK(there.st_mode))
        return false;
    const Fd probe = open_socket(AF_UNIX);
    return ::connect(probe.get(), generic(address), sizeof address) != 0 && errno == ECONNREFUSED;
}

// Where another kind of file has the name, or there can be none.
void must_be_possible(const std::string& path)
{
    const auto refuse = [&path](int error, const std::string& why) {
        fail({error, std::system_category()},
             fmt::format("cannot listen on unix:{} ({})", path, why));
    };
    const std::string folder = std::filesystem::absolute(path).parent_path().string();

    struct stat there {};

    if (::stat(folder.c_str(), &there) != 0)
        refuse(errno, fmt::format("the folder {} cannot be had", folder));
    if (!S_ISDIR(there.st_mode))
        refuse(ENOTDIR, fmt::format("{} is no folder", folder));
    if (::access(folder.c_str(), W_OK | X_OK) != 0)
        refuse(errno, fmt::format("nothing can be made in the folder {}", folder));
    if (::lstat(path.c_str(), &there) == 0 && !S_ISSOCK(there.st_mode))
        refuse(EADDRINUSE, "there is a file of this name that is no socket");
}

tcp::endpoint endpoint_of(asio::io_context& io, const ManagementOptions& options)
{
    const tcp::endpoint endpoint = endpoint_to_listen(io, options.address->address);
    if (!endpoint.address().is_loopback() && !options.knows_clients())
        throw std::runtime_error(way_out_for_open_address(to_string(*options.address)));
    return endpoint;
}

} // namespace

void must_be_possible(asio::io_context& io, const ManagementOptions& options)
{
    if (!options.address)
        return;
    if (options.address->path.empty())
        endpoint_of(io, options);
    else
        must_be_possible(options.address->path);
}

ManagementListener::ManagementListener(asio::io_context& io, const ManagementOptions& options,
                                       GivenSockets& given)
    : where_(to_string(options.address.value()))
{
    if (options.address->path.empty()) {
        listen_at(endpoint_of(io, options), given);
        return;
    }
    must_be_possible(options.address->path);
    listen_at(options.address->path, given);
}

ManagementListener::~ManagementListener()
{
    close();
}

void ManagementListener::close()
{
    struct stat there {};

    if (listening_.is_open() && owns_file_ && !path_.empty() &&
        ::lstat(path_.c_str(), &there) == 0 && there.st_dev == device_ && there.st_ino == inode_)
        ::unlink(path_.c_str());
    listening_.close();
}

std::optional<std::string> ManagementListener::loopback_host() const
{
    if (!endpoint_ || !endpoint_->address().is_loopback())
        return std::nullopt;
    return endpoint_->address().to_string();
}

void ManagementListener::listen_at(const std::string& path, GivenSockets& given)
{
    name_ = std::filesystem::absolute(path).lexically_normal();
    // By its whole path, since a successor looks for the socket by that.
    const sockaddr_un address =
        address_of(name_.size() < sizeof sockaddr_un().sun_path ? name_ : path);
    if (auto socket = given.take(name_)) {
        struct stat there {};

        if (::listen(socket->get(), backlog) != 0 || ::lstat(path.c_str(), &there) != 0)
            fail(last_error(), fmt::format("cannot listen on {}", where_));
        if (!given.keeps_files())
            path_ = path;
        owns_file_ = false;
        device_ = there.st_dev;
        inode_ = there.st_ino;
        listening_ = std::move(*socket);
        return;
    }
    if (is_left_behind(path, address))
        ::unlink(path.c_str());
    Fd socket = open_socket(AF_UNIX);
    // Linux gives the file the mode of the socket, so that there is no moment in which it is open
    // to others.
    ::fchmod(socket.get(), S_IRUSR | S_IWUSR);
    if (const auto error = bind_to(socket, generic(address), sizeof address, name_))
        fail(error, fmt::format("cannot listen on {}", where_));

    struct stat made {};

    if (::lstat(path.c_str(), &made) != 0 || ::listen(socket.get(), backlog) != 0)
        fail(last_error(), fmt::format("cannot listen on {}", where_));
    path_ = path;
    device_ = made.st_dev;
    inode_ = made.st_ino;
    listening_ = std::move(socket);
}

void ManagementListener::listen_at(const tcp::endpoint& endpoint, GivenSockets& given)
{
    if (auto socket = given.take(endpoint, "management")) {
        set_stream_options(socket->get());
        take(std::move(*socket));
        return;
    }
    Fd socket = open_socket(endpoint.protocol().family());
    const int on = 1;
    ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    set_stream_options(socket.get());
    if (const auto error = bind_to(socket, endpoint.data(), static_cast<socklen_t>(endpoint.size()),
                                   to_string(endpoint)))
        cannot_listen(error, where_, endpoint.port());
    take(std::move(socket));
}

void ManagementListener::take(Fd socket)
{
    tcp::endpoint bound;
    auto size = static_cast<socklen_t>(bound.capacity());
    if (::listen(socket.get(), backlog) != 0 ||
        ::getsockname(socket.get(), bound.data(), &size) != 0)
        cannot_listen(last_error(), where_, 0);
    bound.resize(size);
    where_ = to_string(bound);
    name_ = where_;
    endpoint_ = bound;
    listening_ = std::move(socket);
}

} // namespace tunnel
