// A body of server-sent events that grows while it is sent.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "common/base/asio.hpp"

namespace tunnel {

// The events that one listener has not received yet, as server-sent events
// (https://html.spec.whatwg.org/multipage/server-sent-events.html). A listener that reads too
// slowly loses events, and is told how many.
class EventStream {
public:
    // The most events that wait, and their bytes. A busy proxy has thousands a second.
    static constexpr std::size_t most_events = 4096;
    static constexpr std::size_t most_bytes = 1024 * 1024;

    explicit EventStream(asio::any_io_executor executor) : news_(std::move(executor)) {}

    void put(const std::string& event);

    // Takes the waiting events; empty: none came before the limit, or the stream is closed.
    awaitable<std::string> take(Clock::time_point limit);

    // The same, without waiting.
    std::string take_now();

    // Ends the stream.
    void close();

    bool is_closed() const { return closed_; }

private:
    std::string waiting_; // whole events
    std::size_t count_ = 0;
    std::uint64_t lost_ = 0;
    bool closed_ = false;
    Signal news_;
};

} // namespace tunnel
