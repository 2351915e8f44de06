// Plays the service manager's end of the protocol of sd_notify(3).
#pragma once

#include <array>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/fd.hpp"

namespace tunnel::test {

// Removes the variables that a test has set.
struct ServiceEnvironment {
    ServiceEnvironment() = default;
    ServiceEnvironment(const ServiceEnvironment&) = delete;
    ServiceEnvironment& operator=(const ServiceEnvironment&) = delete;

    ~ServiceEnvironment()
    {
        for (const std::string& each : names)
            ::unsetenv(each.c_str());
    }

    void set(const std::string& name, const std::string& value)
    {
        ::setenv(name.c_str(), value.c_str(), 1);
        names.push_back(name);
    }

    std::vector<std::string> names;
};

// The socket: a path, or a name that begins with an @.
class Notified {
public:
    explicit Notified(const std::string& name)
        : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0))
    {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, name.data(), name.size());
        const bool is_path = name.front() == '/';
        if (!is_path)
            address.sun_path[0] = '\0';
        const auto size = offsetof(sockaddr_un, sun_path) + name.size() + (is_path ? 1 : 0);
        REQUIRE(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address),
                       static_cast<socklen_t>(size)) == 0);
    }

    // The next message; empty: there is none.
    std::string next() const
    {
        std::array<char, 4096> block{};
        const ssize_t size = ::recv(socket_.get(), block.data(), block.size(), 0);
        return size > 0 ? std::string(block.data(), static_cast<std::size_t>(size)) : "";
    }

    std::vector<std::string> all() const
    {
        std::vector<std::string> messages;
        for (std::string each = next(); !each.empty(); each = next())
            messages.push_back(each);
        return messages;
    }

    void close() { socket_.close(); }

private:
    Fd socket_;
};

} // namespace tunnel::test
