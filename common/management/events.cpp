#include "common/management/events.hpp"

#include <algorithm>
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

bool EventHub::is_heard()
{
    std::erase_if(listeners_, [](const auto& listener) { return listener.expired(); });
    return !listeners_.empty();
}

void EventHub::publish(std::string_view type, std::string_view json)
{
    const auto event = fmt::format("id: {}\nevent: {}\ndata: {}\n\n", ++latest_, type, json);
    for (const auto& listener : listeners_) {
        if (const auto stream = listener.lock())
            stream->put(event);
    }
}

std::shared_ptr<EventStream> EventHub::listen()
{
    is_heard(); // forgets those who have gone
    if (closed_ || listeners_.size() >= most_listeners)
        return nullptr;
    auto stream = std::make_shared<EventStream>(executor_);
    listeners_.push_back(stream);
    return stream;
}

void EventHub::close()
{
    closed_ = true;
    for (const auto& listener : listeners_) {
        if (const auto stream = listener.lock())
            stream->close();
    }
}

} // namespace tunnel
