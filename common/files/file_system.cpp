#include "common/files/file_system.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/fd.hpp"
#include "common/base/log.hpp"

namespace tunnel {

namespace {

using SteadyClock = std::chrono::steady_clock;

// After this long a user may wonder why the program does not start.
constexpr auto silent_for = std::chrono::seconds(1);

FileStatus as_status(const struct stat& status)
{
    return {status.st_dev, status.st_ino, status.st_mode, status.st_size,
            status.st_mtim.tv_sec * std::int64_t(1'000'000'000) + status.st_mtim.tv_nsec};
}

// The descriptor that a name such as /dev/fd/3 or /dev/stdin stands for.
std::optional<int> descriptor_named(std::string_view path)
{
    if (path == "/dev/stdin")
        return STDIN_FILENO;
    for (const std::string_view folder : {"/dev/fd/", "/proc/self/fd/"}) {
        if (!path.starts_with(folder))
            continue;
        const std::string_view number = path.substr(folder.size());
        int descriptor = 0;
        const char* const end = number.data() + number.size();
        const auto [rest, error] = std::from_chars(number.data(), end, descriptor);
        if (error == std::errc() && rest == end)
            return descriptor;
    }
    return std::nullopt;
}

// Opening anew has an offset of its own. A socket, or a pipe that another user made, cannot be
// opened, but the descriptor that is there already can be read.
Fd open_to_read(const std::string& path)
{
    Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (file.is_open() || (errno != ENXIO && errno != EACCES))
        return file;
    const int error = errno;
    if (const auto descriptor = descriptor_named(path))
        file = Fd(::fcntl(*descriptor, F_DUPFD_CLOEXEC, 0));
    errno = error;
    return file;
}

class Waiting {
public:
    Waiting(const std::string& path, std::chrono::milliseconds limit) : path_(path), limit_(limit)
    {
    }

    // Returns when there is something to read, or an end. The descriptor of a pipe that has had no
    // writer yet has neither.
    void wait(int descriptor)
    {
        const auto begin = SteadyClock::now();
        for (;;) {
            const auto passed = SteadyClock::now() - begin;
            if (passed >= limit_)
                cannot_read(path_,
                            fmt::format("nothing was written to it for {} s",
                                        std::chrono::ceil<std::chrono::seconds>(limit_).count()));
            if (passed >= silent_for && !said_) {
                said_ = true;
                log::info("waiting for what is written to this pipe", {{"file", path_}});
            }
            const auto next = said_ ? limit_ : std::min<SteadyClock::duration>(limit_, silent_for);
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - passed);
            pollfd one{descriptor, POLLIN, 0};
            const int ready =
                ::poll(&one, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 1)));
            if (ready > 0)
                return;
            if (ready < 0 && errno != EINTR)
                cannot_read(path_, std::strerror(errno));
        }
    }

private:
    const std::string& path_;
    std::chrono::milliseconds limit_;
    bool said_ = false;
};

struct CloseFolder {
    void operator()(DIR* folder) const { ::closedir(folder); }
};

} // namespace

PrivateText FileSystem::read(const std::string& path, std::size_t limit)
{
    if (const auto kept = kept_.find(path); kept != kept_.end()) {
        if (kept->second.size() > limit)
            too_large(path, limit);
        return PrivateText(kept->second);
    }
    const Fd file = open_to_read(path);
    if (!file.is_open())
        cannot_read(path, std::strerror(errno));

    struct stat status {};

    ::fstat(file.get(), &status);
    if (S_ISDIR(status.st_mode))
        cannot_read(path, "it is a folder");
    const bool is_regular = S_ISREG(status.st_mode);
    Waiting waiting(path, writer_limit_);
    // All memory at once, so that growing leaves no copies behind.
    PrivateText text(std::string(limit + 1, '\0'));
    std::size_t size = 0;
    for (;;) {
        if (!is_regular)
            waiting.wait(file.get());
        const ssize_t more = ::read(file.get(), text.data() + size, limit + 1 - size);
        if (more < 0 && (errno == EINTR || (errno == EAGAIN && !is_regular)))
            continue;
        if (more < 0)
            cannot_read(path, std::strerror(errno));
        if (more == 0)
            break;
        size += static_cast<std::size_t>(more);
        if (size > limit)
            too_large(path, limit);
    }
    text.shorten(size);
    // Also a file without a name, as the shell makes for <<END, and one that only a descriptor of
    // this process stands for.
    if (!is_regular || status.st_nlink == 0 || descriptor_named(path))
        kept_.emplace(path, std::string(text.view()));
    return text;
}

FileStatus FileSystem::status(const std::string& path)
{
    struct stat status {};

    return ::stat(path.c_str(), &status) == 0 ? as_status(status) : FileStatus();
}

std::vector<std::string> FileSystem::names_in(const std::string& folder)
{
    std::vector<std::string> names;
    const std::unique_ptr<DIR, CloseFolder> open(::opendir(folder.c_str()));
    if (!open)
        return names;
    while (const dirent* const entry = ::readdir(open.get())) {
        const std::string_view name = entry->d_name;
        if (name != "." && name != "..")
            names.emplace_back(name);
    }
    return names;
}

std::vector<std::string> FileSystem::read_once() const
{
    std::vector<std::string> names;
    for (const auto& [path, text] : kept_)
        names.push_back(path);
    return names;
}

FileSystem& file_system()
{
    static FileSystem system;
    return system;
}

} // namespace tunnel
