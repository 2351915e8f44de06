#include "common/management/events.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace tunnel {

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
    is_heard(); // removes listeners that have left
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
