// Passes on events to listeners at the management interface.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "common/base/asio.hpp"
#include "common/http/event_stream.hpp"

namespace tunnel {

// On one thread.
class EventHub {
public:
    // Each listener costs memory, and time for each event.
    static constexpr std::size_t most_listeners = 16;

    explicit EventHub(asio::any_io_executor executor) : executor_(std::move(executor)) {}

    ~EventHub() { close(); }

    EventHub(const EventHub&) = delete;
    EventHub& operator=(const EventHub&) = delete;

    // Whether anybody listens; else no event need be built.
    bool is_heard();

    // `type` is a plain word, `json` one line.
    void publish(std::string_view type, std::string_view json);

    // Null: there are too many listeners. It listens as long as it lives.
    std::shared_ptr<EventStream> listen();

    // Ends every stream.
    void close();

private:
    asio::any_io_executor executor_;
    std::vector<std::weak_ptr<EventStream>> listeners_;
    std::uint64_t latest_ = 0; // number of an event
    bool closed_ = false;
};

} // namespace tunnel
