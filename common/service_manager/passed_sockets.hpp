// Sockets that the service manager has opened for this program: sd_listen_fds(3), ListenStream= of
// systemd.
#pragma once

#include <string>
#include <vector>

#include "common/base/fd.hpp"
#include "common/transport/given_sockets.hpp"

namespace tunnel {

// They stay the service manager's: it hands the same ones to the next start, so at the end of this
// program they listen again, whatever it did with them. Who comes meanwhile waits in the queue.
class PassedSockets {
public:
    // Adds those of LISTEN_FDS to `given`, which it must not outlive. LISTEN_FDS, LISTEN_PID and
    // LISTEN_FDNAMES are taken out of the environment; there are none if they are for another
    // process. Call it before this process starts another. Throws WrongConfiguration if one is no
    // stream socket that listens.
    explicit PassedSockets(GivenSockets& given);

    PassedSockets(const PassedSockets&) = delete;
    PassedSockets& operator=(const PassedSockets&) = delete;
    ~PassedSockets();

    // Another process serves them from now on, also when this one has ended.
    void forget() { copies_.clear(); }

    // Throws WrongConfiguration if no option has wanted one of them: who comes there would wait for
    // ever.
    void must_be_taken() const;

private:
    GivenSockets& given_;
    std::vector<Fd> copies_;
};

} // namespace tunnel
