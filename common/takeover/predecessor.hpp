// The running program, as the one sees it that takes over.
#pragma once

#include <string>

#include <sys/types.h>

#include "common/base/clock.hpp"
#include "common/base/fd.hpp"
#include "common/takeover/message.hpp"
#include "common/transport/given_sockets.hpp"

namespace tunnel {

// Asks at its takeover socket, step by step. Until serving() the other goes on, or begins again,
// when this ends: nobody notices an attempt that fails. Every step waits, and has a limit; so they
// are for a program that does not serve yet.
class Predecessor {
public:
    // Throws std::runtime_error that says why there is nothing to take over at `path`. Only a
    // program of root, of this user or of `user` is believed.
    Predecessor(const std::string& path, const takeover::Hello& hello, uid_t user);

    // All that it listens at. Throws std::runtime_error.
    GivenSockets take_sockets();

    // From here on it takes nobody in. What it tells its successor; `given` gets what it listens at
    // now. Throws std::runtime_error.
    std::string take_over(GivenSockets& given);

    // Says that this process serves, and waits until the other has left: its last visitors are left
    // to it. Throws std::runtime_error if it has gone on by itself, since this process was too
    // slow.
    void serving();

private:
    GivenSockets take_sockets(Clock::time_point limit);
    takeover::Message next(Clock::time_point limit, std::vector<Fd>* descriptors = nullptr);
    void wait(short events, Clock::time_point limit) const;
    void send(const takeover::Message& message);

    std::string path_;
    Fd socket_;
};

} // namespace tunnel
