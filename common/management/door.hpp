// Where the management interface is reached.
#pragma once

#include <optional>
#include <string>

#include <sys/stat.h>

#include "common/base/asio.hpp"
#include "common/base/fd.hpp"
#include "common/options/management_options.hpp"

namespace tunnel {

// What keeps a ManagementDoor from listening, as far as it shows without opening it: a folder of
// the socket file that is missing or not writable, a file in its place that is no socket, an
// address that other machines reach without a token. Throws std::system_error or
// std::runtime_error.
void must_be_possible(asio::io_context& io, const ManagementOptions& options);

// Listens from the beginning. A socket file can be used by its owner alone, and is gone afterwards.
class ManagementDoor {
public:
    // Throws std::system_error or std::runtime_error that names the address, also if other machines
    // reach it and there is no token. A socket file that a former process left is replaced, one
    // that is in use and any other file are not. A program that stops is asked for the address.
    ManagementDoor(asio::io_context& io, const ManagementOptions& options);

    ManagementDoor(ManagementDoor&&) noexcept = default;

    ~ManagementDoor();

    // Stops listening and lets another process have the address.
    void close();

    bool is_open() const { return listening_.is_open(); }

    int descriptor() const { return listening_.get(); }

    // As options have it, with the real port where 0 was asked for.
    const std::string& where() const { return where_; }

    // By which a successor asks for it: the absolute path of a socket file.
    const std::string& name() const { return name_; }

    // With that port; none if it is a socket file.
    const std::optional<tcp::endpoint>& endpoint() const { return endpoint_; }

    // Other machines reach it, or may.
    bool is_open_to_others() const { return endpoint_ && !endpoint_->address().is_loopback(); }

    // Its IP address, if only this machine reaches that.
    std::optional<std::string> loopback_host() const;

private:
    void listen_at(const std::string& path);
    void listen_at(const tcp::endpoint& endpoint);

    Fd listening_;
    std::string where_;
    std::string name_;
    std::optional<tcp::endpoint> endpoint_;
    // The socket file, to be removed if it is still the same.
    std::string path_;
    dev_t device_ = 0;
    ino_t inode_ = 0;
};

} // namespace tunnel
