// An origin server at a Unix socket.
#pragma once

#include <string>

#include "common/transport/server_address.hpp"
#include "tests/support/stream.hpp"

namespace tunnel::test {

// Listens in a folder of its own, and removes it at the end. Of those that nobody has accepted,
// `queue` and one more find a place.
class UnixServer {
public:
    explicit UnixServer(int queue = 1024);
    UnixServer(const UnixServer&) = delete;
    UnixServer& operator=(const UnixServer&) = delete;
    ~UnixServer();

    Stream accept() { return server_.accept(); }

    bool pending_within(std::chrono::milliseconds limit) const
    {
        return server_.pending_within(limit);
    }

    // Nobody listens any more, but the socket's file is still there.
    void stop_listening() { server_ = Server(Fd()); }

    const std::string& path() const { return path_; }

    ServerAddress address() const { return ServerAddress::unix_socket(path_); }

private:
    std::string folder_;
    std::string path_;
    Server server_;
};

} // namespace tunnel::test
