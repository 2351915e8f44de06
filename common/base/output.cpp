#include "common/base/output.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <system_error>
#include <thread>
#include <utility>

#include <poll.h>
#include <unistd.h>

namespace tunnel {

namespace {

// A thread that has nothing to write ends after this time: an idle program has none.
constexpr auto thread_outlasts_work = std::chrono::seconds(10);

// A line seldom comes alone.
constexpr auto gathering = std::chrono::milliseconds(2);

// After a write the thread looks again by itself: waking it costs the caller more than the line.
constexpr auto between_writes = std::chrono::milliseconds(10);

// A queue that grew in a burst gives its memory back.
constexpr std::size_t kept_capacity = 16 * 1024;

// Returns how many bytes were written; may block. A non-blocking descriptor is waited for and not
// changed: the parent may share it.
std::size_t write_all(int descriptor, std::string_view bytes, std::error_code& error)
{
    std::size_t written = 0;
    while (written < bytes.size()) {
        const ssize_t size = ::write(descriptor, bytes.data() + written, bytes.size() - written);
        if (size > 0) {
            written += static_cast<std::size_t>(size);
        } else if (size < 0 && errno == EAGAIN) {
            pollfd ready{descriptor, POLLOUT, 0};
            ::poll(&ready, 1, -1);
        } else if (size == 0 || errno != EINTR) {
            error.assign(size == 0 ? ENOSPC : errno, std::system_category());
            break;
        }
    }
    return written;
}

std::uint64_t count_lines(std::string_view text)
{
    return static_cast<std::uint64_t>(std::ranges::count(text, '\n'));
}

// While it lives, threads that are started take no signals.
class SignalsBlocked {
public:
    SignalsBlocked()
    {
        sigset_t all;
        ::sigfillset(&all);
        ::pthread_sigmask(SIG_SETMASK, &all, &before_);
    }

    SignalsBlocked(const SignalsBlocked&) = delete;
    SignalsBlocked& operator=(const SignalsBlocked&) = delete;

    ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

private:
    sigset_t before_{};
};

} // namespace

Output::Output(int descriptor, std::size_t most, Note note, Timed timed)
    : descriptor_(descriptor), most_(most), note_(std::move(note)), timed_(std::move(timed))
{
}

Output::Output(LogFile& file, std::size_t most, Note note, Timed timed)
    : descriptor_(-1), file_(&file), most_(most), note_(std::move(note)), timed_(std::move(timed))
{
}

void Output::put(std::string_view lines)
{
    const std::lock_guard lock(mutex_);
    add(lines);
    ensure_thread();
}

void Output::wake()
{
    const std::lock_guard lock(mutex_);
    woken_ = true;
    ensure_thread();
}

void Output::reopen()
{
    if (file_ == nullptr)
        return;
    const std::lock_guard lock(mutex_);
    reopens_ = true;
    ensure_thread();
}

void Output::start()
{
    const std::lock_guard lock(mutex_);
    started_ = true;
    if (!pending_.empty() || woken_ || reopens_)
        ensure_thread();
}

bool Output::finish(Clock::time_point limit)
{
    std::unique_lock lock(mutex_);
    started_ = true;
    if (pending_.empty() && (!running_ || waiting_))
        return true;
    ending_ = true;
    ensure_thread();
    wanted_.notify_one();
    if (!running_) { // no thread could be started, and no more visitors are served
        pollfd ready{descriptor(), POLLOUT, 0};
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(limit - Clock::now());
        if (::poll(&ready, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0))) == 1)
            write_pending(lock);
        return pending_.empty();
    }
    return written_.wait_until(lock, limit, [this] { return pending_.empty() && waiting_; });
}

// Once a line has been dropped, the following ones are too: else their order would be lost.
void Output::add(std::string_view lines)
{
    // A line longer than the queue goes into an empty queue; else it would never be written.
    const bool fits = pending_.empty() || pending_.size() + lines.size() <= most_;
    if (left_out_ > 0 || !fits)
        left_out_ += count_lines(lines);
    else
        pending_ += lines;
}

void Output::ensure_thread()
{
    if (running_) {
        if (std::exchange(waiting_, false))
            wanted_.notify_one();
        return;
    }
    if (!started_)
        return;
    try {
        const SignalsBlocked blocked;
        std::thread([this] { run(); }).detach();
        running_ = true;
        waiting_ = false;
    } catch (const std::system_error&) { // the next line tries again
    }
}

void Output::run()
{
    std::string due;
    auto last_written = Clock::now();
    std::unique_lock lock(mutex_);
    for (;;) {
        woken_ = false;
        if (std::exchange(reopens_, false))
            reopen_file(lock);
        std::optional<Clock::time_point> next;
        if (timed_) {
            lock.unlock();
            due.clear();
            next = timed_(due, Clock::now());
            lock.lock();
            if (!due.empty())
                add(due);
        }
        if (!pending_.empty()) {
            wanted_.wait_for(lock, gathering, [this] { return ending_; });
            write_pending(lock);
            last_written = Clock::now();
            wanted_.wait_for(lock, between_writes, [this] { return ending_; });
            continue;
        }
        if (woken_ || reopens_)
            continue;
        waiting_ = true;
        written_.notify_all();
        const auto end = last_written + thread_outlasts_work;
        if (!next && Clock::now() >= end) {
            running_ = false;
            return;
        }
        wanted_.wait_until(lock, next.value_or(end), [this] { return !waiting_; });
        waiting_ = false;
    }
}

// Opening may wait for a disk.
void Output::reopen_file(std::unique_lock<std::mutex>& lock)
{
    lock.unlock();
    file_->reopen();
    lock.lock();
}

int Output::descriptor() const
{
    return file_ != nullptr ? file_->descriptor() : descriptor_;
}

void Output::write_pending(std::unique_lock<std::mutex>& lock)
{
    std::string lines = std::exchange(pending_, {});
    const std::uint64_t failed = std::exchange(failed_, 0);
    const std::uint64_t left_out = std::exchange(left_out_, 0);
    lock.unlock();
    const std::uint64_t in_all = count_lines(lines) + failed + left_out;
    if (failed > 0)
        lines.insert(0, note_(failed));
    if (torn_) // only this thread looks at it
        lines.insert(0, 1, '\n');
    if (left_out > 0)
        lines += note_(left_out);
    std::error_code error;
    const std::size_t written = write_all(descriptor(), lines, error);
    if (file_ != nullptr)
        file_->written(error);
    const bool complete = written == lines.size();
    // The note was not written either, so the count starts again; a line too many does no harm.
    const std::uint64_t lost =
        complete
            ? 0
            : in_all - std::min(in_all, count_lines(std::string_view(lines).substr(0, written)));
    if (written > 0)
        torn_ = lines[written - 1] != '\n';
    lines.clear();
    lock.lock();
    failed_ += lost;
    if (pending_.empty() && lines.capacity() <= kept_capacity)
        pending_ = std::move(lines);
}

} // namespace tunnel
