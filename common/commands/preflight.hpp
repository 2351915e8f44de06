// What `check` looks for beyond the options themselves: everything that start-up would refuse on
// this machine, so that both agree.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/base/asio.hpp"
#include "common/options/options.hpp"
#include "common/transport/address.hpp"

namespace tunnel {

// Collects what is wrong: a failure of one step does not keep the others from being tried.
class Preflight {
public:
    // The options are named in what is said of files that they name.
    explicit Preflight(const CommonOptions& options) : options_(options) {}

    // Does what start-up does, and takes its std::runtime_error for a problem.
    void attempt(const std::function<void()>& step);

    // What both programs have: the user, and the files and the address of the management interface.
    void look_at_common_options(asio::io_context& io);

    // Changes this process as start-up does; nothing can be opened after it. `low_ports`: it keeps
    // the right to open ports below 1024. Does nothing where something was wrong.
    void become_user(bool low_ports);
    void enter_sandbox(const SandboxNeeds& needs);

    // Throws WrongConfiguration with all that is wrong, a line for each.
    void finish() const;

private:
    const CommonOptions& options_;
    std::string problems_;
};

// An address to listen on, and the option that says so.
struct ListenAddress {
    std::string option;
    Address address;
};

// No two may listen at the same port of the same address, whatever names it has. Port 0 is any that
// is free. Names that cannot be looked up are passed over. Throws WrongConfiguration, a line for
// each that is taken by one before it.
void must_not_collide(asio::io_context& io, const std::vector<ListenAddress>& all);

// Throws std::system_error if this machine does not have the address. Whether its port is free is
// not asked: the program may run already.
void must_be_of_this_machine(asio::io_context& io, const Address& address);

} // namespace tunnel
