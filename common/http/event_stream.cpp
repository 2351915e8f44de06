#include "common/http/event_stream.hpp"

#include <utility>

#include <fmt/format.h>

namespace tunnel {

void EventStream::put(const std::string& event)
{
    if (closed_)
        return;
    if (count_ >= most_events || waiting_.size() + event.size() > most_bytes) {
        ++lost_;
        return;
    }
    waiting_ += event;
    ++count_;
    news_.notify();
}

awaitable<std::string> EventStream::take(Clock::time_point limit)
{
    if (waiting_.empty() && !closed_)
        co_await news_.wait_until(limit);
    co_return take_now();
}

std::string EventStream::take_now()
{
    std::string events = std::exchange(waiting_, {});
    count_ = 0;
    // What is lost came after what was kept.
    if (const std::uint64_t lost = std::exchange(lost_, 0))
        events += fmt::format("event: lost\ndata: {{\"events\":{}}}\n\n", lost);
    return events;
}

void EventStream::close()
{
    closed_ = true;
    news_.notify();
}

} // namespace tunnel
