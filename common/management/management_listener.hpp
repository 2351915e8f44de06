// The address of the management interface.
#pragma once

#include <optional>
#include <string>

#include <sys/stat.h>

#include "common/base/asio.hpp"
#include "common/base/fd.hpp"
#include "common/options/management_options.hpp"
#include "common/transport/given_sockets.hpp"

namespace tunnel {

// Checks what would keep a ManagementListener from listening, without opening it: the folder of the
// socket file is missing or not writable, another kind of file is in its place, or other machines
// could reach the address without a token. Throws std::system_error or std::runtime_error.
void must_be_possible(asio::io_context& io, const ManagementOptions& options);

// Listens from construction on. A socket file is usable by its owner only, and is removed at the
// end.
class ManagementListener {
public:
    // Throws std::system_error or std::runtime_error that names the address, also if other machines
    // can reach it without a token. A socket file left by a former process is replaced; one that is
    // in use, or another file, is not. If a stopping program has the address, it is asked for it. A
    // socket for the address that was given is taken.
    ManagementListener(asio::io_context& io, const ManagementOptions& options, GivenSockets& given);

    ManagementListener(ManagementListener&&) noexcept = default;

    ~ManagementListener();

    // Stops listening and lets another process have the address.
    void close();

    // The socket file that was given is this program's from now on, to be removed at the end.
    void own_file() { owns_file_ = true; }

    // The same where another process shares the socket, to whom the address is left.
    void leave() { listening_.close(); }

    bool is_open() const { return listening_.is_open(); }

    int descriptor() const { return listening_.get(); }

    // The address in the form of the options, with the real port.
    const std::string& where() const { return where_; }

    // The name by which a successor asks for it: the absolute path of a socket file.
    const std::string& name() const { return name_; }

    // With the real port; nullopt for a socket file.
    const std::optional<tcp::endpoint>& endpoint() const { return endpoint_; }

    // Whether other machines can reach it, or might.
    bool is_open_to_others() const { return endpoint_ && !endpoint_->address().is_loopback(); }

    // Its IP address, if only this machine can reach it.
    std::optional<std::string> loopback_host() const;

private:
    void listen_at(const std::string& path, GivenSockets& given);
    void listen_at(const tcp::endpoint& endpoint, GivenSockets& given);
    void take(Fd socket);

    Fd listening_;
    std::string where_;
    std::string name_;
    std::optional<tcp::endpoint> endpoint_;
    // The socket file, to be removed if it is still the same.
    std::string path_;
    bool owns_file_ = true;
    dev_t device_ = 0;
    ino_t inode_ = 0;
};

} // namespace tunnel
