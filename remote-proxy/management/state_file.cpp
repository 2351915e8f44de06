#include "remote-proxy/management/state_file.hpp"

#include <cerrno>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <stdexcept>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/code.hpp"
#include "common/base/error.hpp"
#include "common/base/fd.hpp"
#include "common/base/log.hpp"
#include "common/security/file.hpp"

namespace tunnel {

namespace {

constexpr std::size_t largest_state_file = 4 * 1024 * 1024;

[[noreturn]] void fail_at(const std::string& path)
{
    fail({errno, std::system_category()}, fmt::format("cannot write the state file {}", path));
}

void write_all(const Fd& file, std::string_view text, const std::string& path)
{
    while (!text.empty()) {
        const ssize_t size = ::write(file.get(), text.data(), text.size());
        if (size < 0 && errno != EINTR)
            fail_at(path);
        text.remove_prefix(size < 0 ? 0 : static_cast<std::size_t>(size));
    }
}

} // namespace

Fd replace_file(const std::string& path, const std::string& text)
{
    const std::string aside = path + ".new";
    ::unlink(
        aside.c_str()); // of a run that was killed; whatever else it is is not to be written to
    Fd file(::open(aside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                   0600));
    if (!file.is_open())
        fail_at(aside);
    write_all(file, text, aside);
    // Before the name changes: else a crash of the machine could leave an empty file behind it, and
    // another program could think that nobody uses it.
    if (::fsync(file.get()) != 0)
        fail_at(aside);
    ::flock(file.get(), LOCK_EX | LOCK_NB);
    if (std::rename(aside.c_str(), path.c_str()) != 0)
        fail_at(path);
    const std::string folder = std::filesystem::absolute(path).parent_path().string();
    const Fd place(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!place.is_open() || ::fsync(place.get()) != 0)
        fail_at(path);
    return file;
}

StateFile::StateFile(std::string path) : path_(std::move(path)) {}

StateFile::~StateFile()
{
    finish();
}

SavedState StateFile::read() const
{
    std::error_code error;
    if (!std::filesystem::exists(path_, error) && !error)
        return {};
    const PrivateText text = read_private_file(path_, largest_state_file);
    try {
        return parse_saved_state(text.view());
    } catch (const std::runtime_error& wrong) {
        throw std::runtime_error(
            fmt::format("{}: {}; put it aside to begin without it", path_, wrong.what()));
    }
}

void StateFile::lock()
{
    constexpr int most_tries = 10; // it may be replaced between the opening and the locking
    for (int i = 0; i < most_tries; ++i) {
        Fd file(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
        *ours_ = file.is_open();
        if (!*ours_)
            return; // read() says what is wrong; or there is none yet
        if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0)
            break;

        struct stat locked {};

        struct stat there {};

        if (::fstat(file.get(), &locked) == 0 && ::stat(path_.c_str(), &there) == 0 &&
            locked.st_dev == there.st_dev && locked.st_ino == there.st_ino) {
            lock_ = std::move(file);
            return;
        }
    }
    throw std::runtime_error(fmt::format("the state file {} is in use by another program that "
                                         "runs: give each its own --state-file",
                                         path_));
}

void StateFile::release()
{
    released_ = true;
    if (writing_ == 0) // else the last write, since it replaces the file
        lock_.close();
}

void StateFile::reclaim()
{
    released_ = false;
    lock();
}

void StateFile::must_be_replaceable() const
{
    const std::string folder = std::filesystem::absolute(path_).parent_path().string();
    if (::access(folder.c_str(), W_OK | X_OK) != 0)
        fail_at(path_);
}

awaitable<void> StateFile::write_text(std::string text)
{
    if (released_)
        fail(make_error_code(std::errc::operation_canceled),
             fmt::format("cannot write the state file {}: the program is about to stop", path_));
    if (!disk_)
        disk_ = std::make_unique<asio::thread_pool>(1);
    // A name of its own: g++ 12 would destroy it twice.
    auto replace = [path = path_, text = std::move(text), ours = ours_]() -> awaitable<Fd> {
        if (!*ours && ::access(path.c_str(), F_OK) == 0)
            fail(make_error_code(std::errc::file_exists),
                 fmt::format("the state file {} was made by another program meanwhile", path));
        Fd written = replace_file(path, text);
        *ours = true;
        co_return written;
    };
    ++writing_;
    Fd written;
    std::exception_ptr failure;
    try {
        written = co_await asio::co_spawn(*disk_, std::move(replace), use_awaitable);
    } catch (...) {
        failure = std::current_exception();
    }
    --writing_;
    if (!failure)
        lock_ = std::move(written);
    if (released_ && writing_ == 0)
        lock_.close();
    if (failure)
        std::rethrow_exception(failure);
}

void StateFile::write_soon(asio::io_context& io, const SavedState& kept)
{
    asio::co_spawn(io, write(kept), [](const std::exception_ptr& failure) {
        try {
            if (failure)
                std::rethrow_exception(failure);
        } catch (const std::exception& error) {
            log::error("a change is not kept",
                       {{"code", name_of(Code::not_saved)}, {"reason", error.what()}});
        }
    });
}

void StateFile::finish()
{
    if (disk_)
        disk_->join();
}

} // namespace tunnel
