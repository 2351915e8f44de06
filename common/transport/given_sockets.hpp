// Listening sockets that this process did not open itself.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/asio.hpp"
#include "common/base/fd.hpp"

namespace tunnel {

// Sockets that a service manager or a former process has opened, each until an address of the
// options wants it. Those that come meanwhile stay in the kernel's queue.
class GivenSockets {
public:
    // Takes a bound stream socket by its own address; `use` is what the giver says it is for:
    // "control", "service web". Throws std::runtime_error that says what is wrong with the socket.
    void add(Fd socket, std::string use = {});

    // The one at this address; with port 0, the one that was given for this use. nullopt: there is
    // none.
    std::optional<Fd> take(const tcp::endpoint& where, std::string_view use = {});

    // The Unix socket at this path, which is absolute, or of this abstract name, which begins with
    // a zero byte.
    std::optional<Fd> take(const std::string& path);

    // The ports of those that are left, by what they were given for.
    std::map<std::string, std::uint16_t> ports() const;

    // The addresses of those that nobody has taken.
    std::vector<std::string> left() const;

    // They stay the property of who has given them: the files of Unix sockets stay at the end.
    void keep_files() { keeps_files_ = true; }

    bool keeps_files() const { return keeps_files_; }

    std::size_t size() const { return all_.size(); }

    void clear() { all_.clear(); }

private:
    struct Given {
        Fd socket;
        std::string use;
        std::optional<tcp::endpoint> endpoint; // none: a Unix socket
        std::string path{};
    };

    std::optional<Fd> take(std::vector<Given>::iterator found);

    std::vector<Given> all_;
    bool keeps_files_ = false;
};

} // namespace tunnel
