// Where another process may take over from this one.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

#include "common/base/asio.hpp"
#include "common/base/fd.hpp"
#include "common/base/tally.hpp"
#include "common/base/task_group.hpp"
#include "common/takeover/message.hpp"
#include "common/takeover/packet.hpp"
#include "common/transport/given_sockets.hpp"

namespace tunnel {

// Listens at a Unix socket that this user and root alone can use, and does with each successor what
// Predecessor asks for. Until the successor has said that it serves, its end means that this
// program goes on as if nothing had been. On the thread of the io_context.
class Handover {
public:
    struct Shared {
        int descriptor; // of this process
        std::string use;
    };

    struct Hooks {
        // Why nobody can take over now; empty: somebody can.
        std::function<std::string()> objection;
        // What is listened at, the takeover socket not among them.
        std::function<std::vector<Shared>()> sockets;
        // Takes nobody in any more, until take_back(). What the successor has to know.
        std::function<awaitable<std::string>()> let_go;
        // The successor has ended: all is as before.
        std::function<void()> take_back;
        // The successor serves. Nobody asks afterwards.
        std::function<void()> leave;
    };

    // Listens at the path, or at the socket for it that was given; a socket file that a former
    // process has left is replaced. `program` is what successors have to be. Throws
    // std::system_error or std::runtime_error that names the path.
    Handover(asio::io_context& io, const std::string& path, std::string program,
             GivenSockets& given);

    // Lets this user ask, too. Throws std::system_error.
    void give_to(uid_t user, gid_t group) const;

    void start(Hooks hooks);

    // The program is about to end: a process that is started now may listen here.
    void leave();

    // The same, and nothing goes on. Run the io_context dry afterwards.
    void stop();

    bool stopped() const { return tasks_.empty(); }

    const std::string& path() const { return path_; }

private:
    using Peer = asio::posix::stream_descriptor;

    void listen(GivenSockets& given);
    void remove_file();
    awaitable<void> serve();
    awaitable<bool> hand_over(Peer& peer);
    awaitable<takeover::Message> next(Peer& peer, Clock::duration patience);
    awaitable<void> send(Peer& peer, const takeover::Message& message);
    awaitable<void> send(Peer& peer, const takeover::Message& message,
                         const std::vector<int>& descriptors);
    awaitable<void> send_sockets(Peer& peer);
    awaitable<void> send_state(Peer& peer, std::string_view text);

    const std::string path_;
    const takeover::Hello self_;
    Hooks hooks_;
    Fd bound_;
    dev_t device_ = 0; // of the socket file, to be removed if it is still the same
    ino_t inode_ = 0;
    bool is_busy_ = false; // with a successor
    asio::posix::stream_descriptor listening_;
    Tally strangers_{"another user wanted to take over", Code::not_trusted};
    TaskGroup tasks_;
};

} // namespace tunnel
