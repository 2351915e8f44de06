#include "remote-proxy/state_file.hpp"

#include <cerrno>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <stdexcept>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "common/error.hpp"
#include "common/log.hpp"
#include "common/net/fd.hpp"
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

void replace_file(const std::string& path, const std::string& text)
{
    const std::string aside = path + ".new";
    ::unlink(
        aside.c_str()); // of a run that was killed; whatever else it is is not to be written to
    {
        const Fd file(::open(aside.c_str(),
                             O_WRONLY | O_CREAT | O_EXCL | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
        if (!file.is_open())
            fail_at(aside);
        write_all(file, text, aside);
        // Before the name changes: else a crash of the machine could leave an empty file behind it.
        if (::fsync(file.get()) != 0)
            fail_at(aside);
    }
    if (std::rename(aside.c_str(), path.c_str()) != 0)
        fail_at(path);
    const std::string folder = std::filesystem::absolute(path).parent_path().string();
    const Fd place(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!place.is_open() || ::fsync(place.get()) != 0)
        fail_at(path);
}

StateFile::StateFile(std::string path) : path_(std::move(path)) {}

StateFile::~StateFile()
{
    finish();
}

Kept StateFile::read() const
{
    std::error_code error;
    if (!std::filesystem::exists(path_, error) && !error)
        return {};
    const PrivateText text = read_private_file(path_, largest_state_file);
    try {
        return parse_kept(text.view());
    } catch (const std::runtime_error& wrong) {
        throw std::runtime_error(
            fmt::format("{}: {}; put it aside to begin without it", path_, wrong.what()));
    }
}

awaitable<void> StateFile::write_text(std::string text)
{
    if (!disk_)
        disk_ = std::make_unique<asio::thread_pool>(1);
    // A name of its own: g++ 12 would destroy it twice.
    auto replace = [path = path_, text = std::move(text)]() -> awaitable<void> {
        replace_file(path, text);
        co_return;
    };
    co_await asio::co_spawn(*disk_, std::move(replace), use_awaitable);
}

void StateFile::write_soon(asio::io_context& io, const Kept& kept)
{
    asio::co_spawn(io, write(kept), [](const std::exception_ptr& failure) {
        try {
            if (failure)
                std::rethrow_exception(failure);
        } catch (const std::exception& error) {
            log::error("a change is not kept", {{"reason", error.what()}});
        }
    });
}

void StateFile::finish()
{
    if (disk_)
        disk_->join();
}

} // namespace tunnel
