// Notices when files change.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/base/asio.hpp"

namespace tunnel {

// Looks at the files again and again: inotify would need system calls that the sandbox forbids, and
// does not tell of a file on the network. Whoever writes is given time: a change counts once
// nothing has changed since the look before.
class FileWatch {
public:
    // What was seen, as a text that is another after a change; nullopt: nothing could be seen.
    using Seen = std::optional<std::string>;
    // Looks, and hands on what it saw, at once or later.
    using Look = std::function<void(std::function<void(Seen)> seen)>;

    // Calls `changed` from `io` until it is destroyed. `first` is where it begins.
    FileWatch(asio::io_context& io, std::string first, Look look, std::function<void()> changed,
              Clock::duration interval = std::chrono::seconds(1));

    FileWatch(const FileWatch&) = delete;
    FileWatch& operator=(const FileWatch&) = delete;
    ~FileWatch() = default;

private:
    void wait();
    void compare(const Seen& now);

    Look look_;
    std::function<void()> changed_;
    std::string known_;  // when it was told last
    std::string before_; // at the last look
    Clock::duration interval_;
    std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
    Timer timer_;
};

} // namespace tunnel
