// A body of server-sent events, which goes on while it is sent.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "common/base/asio.hpp"

namespace tunnel {

// What one listener has not been sent yet, as server-sent events
// (https://html.spec.whatwg.org/multipage/server-sent-events.html). One that reads too slowly
// loses events, and is told how many.
class EventStream {
public:
    // Events that wait, and their bytes. A busy proxy has some thousands a second.
    static constexpr std::size_t most_events = 4096;
    static constexpr std::size_t most_bytes = 1024 * 1024;

    explicit EventStream(asio::any_io_executor executor) : news_(std::move(executor)) {}

    void put(const std::string& event);

    // Takes what waits; empty: nothing came before the limit, or it is closed.
    awaitable<std::string> take(Clock::time_point limit);

    // The same, without waiting.
    std::string take_now();

    // Nothing more comes.
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
