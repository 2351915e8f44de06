#include "common/files/file_reader.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/log.hpp"
#include "common/base/private_text.hpp"
#include "common/files/file_system.hpp"
#include "common/files/snapshot.hpp"
#include "common/sandbox/helper_process.hpp"

namespace tunnel {

namespace {

using namespace std::chrono_literals;

enum class Wanted : char { snapshot = 's', fingerprint = 'f' };

using AnswerSize = std::uint64_t;

constexpr std::size_t largest_file = 1024 * 1024;
constexpr auto writer_limit = 2s; // of a pipe that a reload names for the first time
constexpr auto read_limit = 10s;
constexpr auto look_limit = 2s;
constexpr AnswerSize largest_answer = 512 * 1024 * 1024;

// Whatever is wrong is found again by the program, which gets the same answers.
PrivateText take_snapshot(const FileReader::Named& named, int handed_over)
{
    RecordedFiles recorded(file_system());
    const ReadFrom from(recorded);
    try {
        named.reread(handed_over);
    } catch (const std::runtime_error&) {
    }
    for (const auto& path : named.list()) {
        recorded.status(path.string());
        try {
            recorded.read(path.string(), largest_file);
        } catch (const std::runtime_error&) {
        }
    }
    try {
        return recorded.encode();
    } catch (const std::runtime_error&) {
        return PrivateText(std::string());
    }
}

void serve_files(int channel, const FileReader::Named& named, int handed_over)
{
    file_system().wait_for_writers(writer_limit);
    for (;;) {
        Wanted wanted{};
        const ssize_t size = ::read(channel, &wanted, sizeof wanted);
        if (size < 0 && errno == EINTR)
            continue;
        if (size <= 0)
            return;
        const PrivateText answer = wanted == Wanted::snapshot
                                       ? take_snapshot(named, handed_over)
                                       : PrivateText(fingerprint(named.list()));
        std::array<char, sizeof(AnswerSize)> head{};
        const AnswerSize length = answer.view().size();
        std::memcpy(head.data(), &length, sizeof length);
        if (!write_whole(channel, head) || !write_whole(channel, answer.view()))
            return;
    }
}

} // namespace

// Shared with the handlers, which may come after the end of the FileReader.
struct FileReader::State : std::enable_shared_from_this<State> {
    State(asio::io_context& io, Fd end) : channel(io, end.release()), changed(io.get_executor()) {}

    void receive()
    {
        asio::async_read(channel, asio::buffer(head),
                         [state = shared_from_this()](std::error_code error, std::size_t) {
                             state->receive_body(error);
                         });
    }

    void receive_body(std::error_code error)
    {
        AnswerSize size = 0;
        std::memcpy(&size, head.data(), sizeof size);
        if (error || size > largest_answer) {
            lose(error);
            return;
        }
        answer = PrivateText(std::string(size, '\0'));
        asio::async_read(channel, asio::buffer(answer.data(), size),
                         [state = shared_from_this()](std::error_code failure, std::size_t) {
                             if (failure) {
                                 state->lose(failure);
                                 return;
                             }
                             state->busy = false;
                             ++state->answered;
                             state->changed.notify();
                             state->receive();
                         });
    }

    void lose(std::error_code error)
    {
        if (error != asio::error::operation_aborted) // our own end
            log::error("the process that reads files has ended, so reloads fail until a restart");
        gone = true;
        changed.notify();
    }

    void must_be_there() const
    {
        if (gone)
            throw std::runtime_error("the process that reads files has ended, so a restart is "
                                     "needed");
    }

    // Throws std::runtime_error.
    awaitable<PrivateText> ask(Wanted wanted, Clock::duration limit)
    {
        const auto deadline = Clock::now() + limit;
        while (busy && !gone) {
            in_time(deadline, limit);
            co_await changed.wait_until(deadline);
        }
        must_be_there();
        const std::uint64_t mine = answered + 1;
        if (::send(channel.native_handle(), &wanted, sizeof wanted, MSG_NOSIGNAL) < 0)
            throw std::runtime_error(std::strerror(errno));
        busy = true;
        while (answered < mine && !gone) {
            in_time(deadline, limit);
            co_await changed.wait_until(deadline);
        }
        must_be_there();
        co_return std::move(answer);
    }

    static void in_time(Clock::time_point deadline, Clock::duration limit)
    {
        if (Clock::now() >= deadline)
            throw std::runtime_error(
                fmt::format("reading takes longer than {} s",
                            std::chrono::duration_cast<std::chrono::seconds>(limit).count()));
    }

    asio::posix::stream_descriptor channel;
    Signal changed;
    bool busy = false; // it has not answered the last request
    bool gone = false;
    std::uint64_t answered = 0;
    std::array<char, sizeof(AnswerSize)> head{};
    PrivateText answer{std::string()};
};

FileReader::FileReader(asio::io_context& io, Sandbox sandbox, const Named& named, Fd handed_over)
{
    HelperChannel channel = make_helper_channel(SOCK_STREAM);
    std::vector<Fd> descriptors;
    descriptors.push_back(std::move(channel.theirs));
    if (handed_over.is_open())
        descriptors.push_back(std::move(handed_over));
    start_helper("file-reader", std::move(descriptors),
                 [&named, sandbox](std::span<const int> given) {
                     enter_file_reader_sandbox(sandbox);
                     serve_files(given[0], named, given.size() > 1 ? given[1] : -1);
                 });
    state_ = std::make_shared<State>(io, std::move(channel.ours));
    state_->receive();
}

FileReader::~FileReader()
{
    std::error_code ignored;
    state_->channel.close(ignored);
}

awaitable<std::unique_ptr<FileSource>> FileReader::read()
{
    const auto state = state_;
    std::string reason = "the files are too large together";
    try {
        const PrivateText bytes = co_await state->ask(Wanted::snapshot, read_limit);
        auto snapshot = Snapshot::decode(bytes.view());
        if (!bytes.view().empty() && snapshot) {
            std::unique_ptr<FileSource> made = std::make_unique<Snapshot>(std::move(*snapshot));
            co_return made;
        }
    } catch (const std::system_error&) { // our own end
        throw;
    } catch (const std::runtime_error& error) {
        reason = error.what();
    }
    std::unique_ptr<FileSource> none = std::make_unique<UnreadableFiles>(std::move(reason));
    co_return none;
}

awaitable<std::optional<std::string>> FileReader::look()
{
    const auto state = state_;
    std::optional<std::string> seen;
    try {
        const PrivateText bytes = co_await state->ask(Wanted::fingerprint, look_limit);
        seen = std::string(bytes.view());
    } catch (const std::system_error&) {
        throw;
    } catch (const std::runtime_error&) { // it may be told the next time
    }
    co_return seen;
}

std::string fingerprint(const std::vector<std::filesystem::path>& files)
{
    std::string all;
    for (const auto& path : files) {
        if (file_system().is_read_once(path.string())) // its name may stand for nothing, or another
            continue;
        const FileStatus status = file_system().status(path.string());
        all += fmt::format("{}\n{} {} {} {}\n", path.string(), status.device, status.inode,
                           status.size, status.modified);
    }
    return all;
}

} // namespace tunnel
