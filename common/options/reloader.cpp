#include "common/options/reloader.hpp"

#include <memory>
#include <utility>

#include "common/base/log.hpp"
#include "common/files/file_system.hpp"

namespace tunnel {

namespace {

void tell_what_stays()
{
    for (const std::string& path : file_system().read_once())
        log::warn("this file is a pipe or the like, so it is not read again and stays as it was",
                  {{"file", path}});
}

struct Finally {
    std::function<void()> action;

    ~Finally() { action(); }
};

} // namespace

Reloader::Reloader(asio::io_context& io, FileReader& reader, Apply apply)
    : io_(io), reader_(reader), apply_(std::move(apply)), tasks_(io.get_executor())
{
}

awaitable<bool> Reloader::reload(ReloadReport& report)
{
    log::reopen(); // its lines are of the new file
    tell_(true);
    const Finally done{[this] { tell_(false); }};
    const std::unique_ptr<FileSource> source = co_await reader_.read();
    const ReadFrom from(*source);
    const bool success = apply_(report);
    tell_what_stays();
    co_return success;
}

awaitable<void> Reloader::reload_until_done()
{
    const Finally done{[this] { under_way_ = false; }};
    while (std::exchange(again_, false)) {
        ReloadReport logged;
        co_await reload(logged);
    }
}

void Reloader::reload_soon()
{
    again_ = true;
    if (std::exchange(under_way_, true))
        return;
    tasks_.spawn("reload", reload_until_done());
}

awaitable<void> Reloader::look(std::function<void(FileWatch::Seen)> seen)
{
    const FileWatch::Seen now = co_await reader_.look();
    seen(now);
}

void Reloader::watch(std::string first)
{
    watch_.emplace(
        io_, std::move(first),
        [this](std::function<void(FileWatch::Seen)> seen) {
            tasks_.spawn("look at the files", look(std::move(seen)));
        },
        [this] { reload_soon(); });
}

void Reloader::stop()
{
    watch_.reset();
    tasks_.cancel();
}

void warn_of_what_is_read_once()
{
    for (const std::string& path : file_system().read_once())
        log::warn("this file is a pipe or the like, so a reload cannot read it again and keeps "
                  "what was in it",
                  {{"file", path}});
}

} // namespace tunnel
