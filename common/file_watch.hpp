// Notices when files change.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "common/asio.hpp"
#include "common/every.hpp"

namespace tunnel {

// Looks at the files again and again: inotify would need system calls that the sandbox forbids, and
// does not tell of a file on the network. Whoever writes is given time: a change counts once
// nothing has changed since the look before.
class FileWatch {
public:
    // Those to look at now; what there was not before is a change too.
    using Files = std::function<std::vector<std::filesystem::path>()>;

    // Calls `changed` from `io` until it is destroyed. What is there now is where it begins.
    FileWatch(asio::io_context& io, Files files, std::function<void()> changed,
              Clock::duration interval = std::chrono::seconds(1));

    FileWatch(const FileWatch&) = delete;
    FileWatch& operator=(const FileWatch&) = delete;
    ~FileWatch() = default;

private:
    // One file as it was; all zeros if there was none.
    struct Seen {
        std::string path;
        std::uint64_t device = 0; // and the next: another file may have taken its name
        std::uint64_t inode = 0;
        std::int64_t size = 0;
        std::int64_t modified = 0; // ns

        friend bool operator==(const Seen&, const Seen&) = default;
    };

    std::vector<Seen> look() const;
    void compare();

    Files files_;
    std::function<void()> changed_;
    std::vector<Seen> known_;  // when it was told last
    std::vector<Seen> before_; // at the last look
    Every every_;
};

} // namespace tunnel
