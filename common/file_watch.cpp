#include "common/file_watch.hpp"

#include <utility>

#include <sys/stat.h>

namespace tunnel {

FileWatch::FileWatch(asio::io_context& io, Files files, std::function<void()> changed,
                     Clock::duration interval)
    : files_(std::move(files)),
      changed_(std::move(changed)),
      known_(look()),
      before_(known_),
      every_(io, interval, [this] { compare(); })
{
}

std::vector<FileWatch::Seen> FileWatch::look() const
{
    std::vector<Seen> all;
    for (const auto& path : files_()) {
        Seen& seen = all.emplace_back(Seen{path.string()});

        struct stat status {};

        if (::stat(path.c_str(), &status) != 0)
            continue;
        seen.device = status.st_dev;
        seen.inode = status.st_ino;
        seen.size = status.st_size;
        seen.modified =
            status.st_mtim.tv_sec * std::int64_t(1'000'000'000) + status.st_mtim.tv_nsec;
    }
    return all;
}

void FileWatch::compare()
{
    auto now = look();
    const bool settled = now == before_;
    before_ = std::move(now);
    if (!settled || before_ == known_)
        return;
    known_ = before_;
    changed_();
}

} // namespace tunnel
