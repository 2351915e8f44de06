// What `check` examines beyond the options themselves: everything that the start would refuse on
// this machine, so that both agree.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/base/asio.hpp"
#include "common/options/options.hpp"
#include "common/transport/address.hpp"

namespace tunnel {

// Collects problems: if one step fails, the others are still tried.
class Preflight {
public:
    // Errors about a file name the option that it comes from.
    explicit Preflight(const CommonOptions& options) : options_(options) {}

    // Does a step of the start; a std::runtime_error becomes a problem.
    void attempt(const std::function<void()>& step);

    // Checks what both programs have: the user, and the files and address of the management
    // interface.
    void look_at_common_options(asio::io_context& io);

    // Drops rights as the start does; nothing can be opened afterwards. `low_ports`: keeps the
    // right to open ports below 1024. Does nothing if there was a problem.
    void become_user(bool low_ports);
    void enter_sandbox(const SandboxNeeds& needs);

    // Throws WrongConfiguration with all problems, a line for each.
    void finish() const;

private:
    const CommonOptions& options_;
    std::string problems_;
};

// An address to listen on, and the option that names it.
struct ListenAddress {
    std::string option;
    Address address;
};

// No two may have the same port of the same address, however it is written. Port 0 means any free
// port. Names that cannot be looked up are skipped. Throws WrongConfiguration, a line for each
// address that an earlier one takes.
void must_not_collide(asio::io_context& io, const std::vector<ListenAddress>& all);

// Throws std::system_error if this machine does not have the address. Whether its port is free is
// not checked: the program may be running already.
void must_be_of_this_machine(asio::io_context& io, const Address& address);

} // namespace tunnel
