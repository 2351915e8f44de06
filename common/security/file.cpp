#include "common/security/file.hpp"

#include <cerrno>
#include <cstring>
#include <stdexcept>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.hpp"
#include "common/net/fd.hpp"
#include "common/security/key.hpp"

namespace tunnel {

namespace {

[[noreturn]] void cannot_read(const std::string& path, const char* why)
{
    throw std::runtime_error(fmt::format("cannot read {}: {}", path, why));
}

} // namespace

PrivateText::~PrivateText()
{
    wipe({reinterpret_cast<std::uint8_t*>(text_.data()), text_.capacity()});
}

PrivateText read_file(const std::string& path, std::size_t limit)
{
    const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!file.is_open())
        cannot_read(path, std::strerror(errno));

    struct stat status {};

    ::fstat(file.get(), &status);
    if (S_ISDIR(status.st_mode))
        cannot_read(path, "it is a folder");
    std::string text(limit + 1, '\0'); // at once, so that no copy of it is left behind by growing
    std::size_t size = 0;
    for (;;) {
        const ssize_t more = ::read(file.get(), text.data() + size, text.size() - size);
        if (more < 0 && errno == EINTR)
            continue;
        if (more < 0)
            cannot_read(path, std::strerror(errno));
        if (more == 0)
            break;
        size += static_cast<std::size_t>(more);
        if (size > limit) {
            wipe({reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
            cannot_read(path, fmt::format("it has more than {} bytes", limit).c_str());
        }
    }
    text.resize(size);
    return PrivateText(std::move(text));
}

void warn_if_others_may_read(const std::string& path)
{
    struct stat status {};

    if (::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
        (status.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        log::warn("others than its owner may read this file with a secret: chmod 600 it",
                  {{"file", path}});
}

PrivateText read_private_file(const std::string& path, std::size_t limit)
{
    PrivateText text = read_file(path, limit);
    warn_if_others_may_read(path);
    return text;
}

} // namespace tunnel
