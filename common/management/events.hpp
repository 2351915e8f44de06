// What happens, as it happens: for whoever listens at the management interface.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/asio.hpp"

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

// On one thread.
class EventHub {
public:
    // Each listener costs memory, and time for each event.
    static constexpr std::size_t most_listeners = 16;

    explicit EventHub(asio::any_io_executor executor) : executor_(std::move(executor)) {}

    ~EventHub() { close(); }

    EventHub(const EventHub&) = delete;
    EventHub& operator=(const EventHub&) = delete;

    // Whether it is worth putting one together.
    bool is_heard();

    // `type` is a plain word, `json` one line.
    void publish(std::string_view type, std::string_view json);

    // Null: there are too many. It listens as long as it is kept.
    std::shared_ptr<EventStream> listen();

    // Every stream ends.
    void close();

private:
    asio::any_io_executor executor_;
    std::vector<std::weak_ptr<EventStream>> listeners_;
    std::uint64_t latest_ = 0; // number of an event
    bool closed_ = false;
};

} // namespace tunnel
