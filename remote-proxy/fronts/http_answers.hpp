// Writes answers of our own to visitors who speak HTTP.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <string>

#include "common/base/asio.hpp"
#include "common/base/task_group.hpp"
#include "common/transport/async_channel.hpp"
#include "remote-proxy/fronts/http_client.hpp"

namespace tunnel {

// Most answers fit the socket at once; for others, and for goodbyes, there is a coroutine. On the
// thread of the io_context.
class HttpAnswers {
public:
    struct Limits {
        std::size_t connections = 256;                     // with a coroutine
        Clock::duration answer = std::chrono::seconds(10); // until the visitor has taken all of it
        Clock::duration farewell = std::chrono::seconds(1);
    };

    // The visitor may send another request.
    using OnDone = std::function<void(HttpClient client)>;

    // Both must outlive it, and `tasks` must be run dry before it is destroyed.
    HttpAnswers(asio::io_context& io, TaskGroup& tasks, OnDone on_done, const Limits& limits);

    // `goes_on`: another request may follow; else the connection is closed afterwards.
    void send(HttpClient client, std::string answer, bool goes_on);

    // Ends the stream, and gives the visitor a little time to read, and to end its own: closing
    // while it still sends resets the connection, by which an answer can be lost. A body of any
    // size may be under way, so only its first 64 KiB are read.
    void close(HttpClient client);

    // Those with a coroutine.
    std::size_t size() const { return speaking_; }

private:
    awaitable<void> speak(HttpClient client, std::string rest, bool goes_on);
    awaitable<void> write(AsyncChannel& channel, std::string_view bytes);
    awaitable<void> finish(AsyncChannel& channel);
    void begin(HttpClient client, std::string rest, bool goes_on);

    asio::io_context& io_;
    TaskGroup& tasks_;
    const OnDone on_done_;
    const Limits limits_;
    std::size_t speaking_ = 0;
    std::array<std::byte, 8 * 1024> thrown_away_; // what comes while a visitor is closed
};

} // namespace tunnel
