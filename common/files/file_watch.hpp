// Notices when files change.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/base/asio.hpp"

namespace tunnel {

// Polls the files: inotify needs system calls that the sandbox forbids, and does not notice changes
// on network file systems. Writers are given time: a change counts once two looks have seen the
// same.
class FileWatch {
public:
    // The state of the files, as a text that differs after a change; nullopt: unknown.
    using Seen = std::optional<std::string>;
    // Looks at the files and passes on their state, at once or later.
    using Look = std::function<void(std::function<void(Seen)> seen)>;

    // Calls `changed` from `io` until it is destroyed. `first` is the state to compare with.
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
