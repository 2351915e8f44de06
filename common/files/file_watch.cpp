#include "common/files/file_watch.hpp"

#include <utility>

namespace tunnel {

FileWatch::FileWatch(asio::io_context& io, std::string first, Look look,
                     std::function<void()> changed, Clock::duration interval)
    : look_(std::move(look)),
      changed_(std::move(changed)),
      known_(std::move(first)),
      before_(known_),
      interval_(interval),
      timer_(io)
{
    wait();
}

void FileWatch::wait()
{
    timer_.expires_after(interval_);
    timer_.async_wait([this, alive = std::weak_ptr(alive_)](std::error_code error) {
        // The timer may have fired before this was destroyed.
        if (error || alive.expired())
            return;
        look_([this, alive](const Seen& now) {
            if (alive.expired())
                return;
            compare(now);
            if (!alive.expired()) // `changed` may have destroyed the watch
                wait();
        });
    });
}

void FileWatch::compare(const Seen& now)
{
    if (!now)
        return;
    const bool settled = *now == before_;
    before_ = *now;
    if (!settled || before_ == known_)
        return;
    known_ = before_;
    changed_();
}

} // namespace tunnel
