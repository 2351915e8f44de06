#include "remote-proxy/fronts/acme_webroot.hpp"

#include <array>
#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/error.hpp"

namespace tunnel {

namespace {

constexpr std::size_t largest_acme_file = 4096; // bytes; a key authorization has less than 300
constexpr auto patience_with_disk = std::chrono::seconds(5);

AcmeFile no_acme_file(AcmeFile::Is is, std::string why)
{
    AcmeFile file;
    file.is = is;
    file.why = std::move(why);
    return file;
}

// After a system call that failed.
AcmeFile failed_acme_file()
{
    const std::error_code error = last_error();
    switch (error.value()) {
    case ENOENT:
    case ENOTDIR:
        return no_acme_file(AcmeFile::Is::missing, "");
    case EMFILE:
    case ENFILE:
    case ENOMEM:
        return no_acme_file(AcmeFile::Is::not_now, error.message());
    case ELOOP:
        return no_acme_file(AcmeFile::Is::refused, "a symbolic link is not followed");
    default:
        return no_acme_file(AcmeFile::Is::refused, error.message());
    }
}

// Step by step, as the sandbox has no openat2(2), and O_NOFOLLOW is only about the last part of a
// path. -1 and errno: it cannot be had.
Fd open_below(const Fd& folder, const char* name, int flags)
{
    return Fd(::openat(folder.get(), name, flags | O_NOFOLLOW | O_CLOEXEC));
}

AcmeFile read_acme_file(const Fd& webroot, const std::string& token)
{
    const Fd well_known = open_below(webroot, ".well-known", O_PATH | O_DIRECTORY);
    if (!well_known.is_open())
        return failed_acme_file();
    const Fd challenges = open_below(well_known, "acme-challenge", O_PATH | O_DIRECTORY);
    if (!challenges.is_open())
        return failed_acme_file();
    // O_NONBLOCK: a FIFO would wait for its writer.
    const Fd opened = open_below(challenges, token.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY);

    struct stat what {};

    if (!opened.is_open() || ::fstat(opened.get(), &what) != 0)
        return failed_acme_file();
    if (!S_ISREG(what.st_mode))
        return no_acme_file(AcmeFile::Is::refused, "it is no regular file");
    std::array<char, largest_acme_file + 1> buffer;
    std::size_t size = 0;
    while (size < buffer.size()) {
        const ssize_t more = ::read(opened.get(), &buffer[size], buffer.size() - size);
        if (more < 0)
            return failed_acme_file();
        if (more == 0)
            break;
        size += static_cast<std::size_t>(more);
    }
    if (size > largest_acme_file)
        return no_acme_file(AcmeFile::Is::refused,
                            fmt::format("it has more than {} bytes", largest_acme_file));
    AcmeFile file;
    file.is = AcmeFile::Is::there;
    file.content.assign(buffer.data(), size);
    return file;
}

// A look that a coroutine waits for.
struct AcmeLook {
    explicit AcmeLook(asio::any_io_executor executor) : done(std::move(executor)) {}

    Signal done;
    std::optional<AcmeFile> found{};
};

} // namespace

AcmeWebroot::AcmeWebroot(asio::io_context& io, const std::filesystem::path& folder)
    : io_(io), folder_(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC))
{
    if (!folder_.is_open())
        fail(last_error(),
             fmt::format("cannot open the folder {} of --acme-webroot", folder.string()));
}

AcmeWebroot::~AcmeWebroot() = default;

awaitable<AcmeFile> AcmeWebroot::read(std::string token)
{
    if (!is_acme_token(token))
        co_return AcmeFile();
    if (*waiting_ >= most_waiting)
        co_return no_acme_file(AcmeFile::Is::not_now, "many files are looked for at once");
    std::string no_thread;
    try {
        if (!disk_)
            disk_.emplace(1);
    } catch (const std::system_error& error) {
        no_thread = error.what();
    }
    if (!disk_)
        co_return no_acme_file(AcmeFile::Is::not_now, std::move(no_thread));
    const auto look = std::make_shared<AcmeLook>(io_.get_executor());
    ++*waiting_;
    asio::post(*disk_, [this, look, waiting = waiting_, token = std::move(token)] {
        AcmeFile file = read_acme_file(folder_, token);
        asio::post(io_, [look, waiting, file = std::move(file)]() mutable {
            --*waiting;
            look->found = std::move(file);
            look->done.notify();
        });
    });
    const auto limit = Clock::now() + patience_with_disk;
    while (!look->found && Clock::now() < limit)
        co_await look->done.wait_until(limit);
    if (!look->found)
        co_return no_acme_file(AcmeFile::Is::not_now, "the file system takes too long");
    co_return std::move(*look->found);
}

} // namespace tunnel
