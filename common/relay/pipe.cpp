#include "common/relay/pipe.hpp"

#include <array>

#include <fcntl.h>
#include <unistd.h>

namespace tunnel {

namespace {

// The largest that an unprivileged process is granted (fs.pipe-max-size), and the fastest measured:
// larger ones, which root could have, were slower.
constexpr int wanted_size = 1024 * 1024;

// A process beyond its share (fs.pipe-user-pages-soft) is granted pipes of two slots; those are
// slower than copying.
constexpr int smallest_size = 256 * 1024;

constexpr std::uint32_t pause_after_refusal = 1024;

} // namespace

PipePool::Lease PipePool::take()
{
    if (refused_ > 0) {
        --refused_;
        return nullptr;
    }
    if (lent_ == most_)
        return nullptr;
    std::unique_ptr<Pipe> pipe;
    if (free_.empty()) {
        pipe = make();
    } else {
        pipe = std::move(free_.back());
        free_.pop_back();
    }
    if (pipe)
        ++lent_;
    else
        refused_ = pause_after_refusal;
    return Lease(pipe.release());
}

std::unique_ptr<Pipe> PipePool::make()
{
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0)
        return nullptr;
    auto pipe = std::make_unique<Pipe>();
    pipe->out = Fd(ends[0]);
    pipe->in = Fd(ends[1]);
    pipe->pool = this;
    ::fcntl(ends[1], F_SETPIPE_SZ, wanted_size);
    if (::fcntl(ends[1], F_GETPIPE_SZ) < smallest_size)
        return nullptr;
    return pipe;
}

void PipePool::ReturnToPool::operator()(Pipe* pipe) const
{
    std::unique_ptr<Pipe> owned(pipe);
    PipePool* const pool = pipe->pool;
    --pool->lent_;
    // One that holds bytes of a pair that broke must never reach another pair.
    if (owned->held == 0)
        pool->free_.push_back(std::move(owned));
}

} // namespace tunnel
