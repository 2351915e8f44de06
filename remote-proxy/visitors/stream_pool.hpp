// Streams to origin servers that wait for the next request.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "common/base/asio.hpp"
#include "common/transport/channel.hpp"
#include "common/transport/idle_watch.hpp"
#include "remote-proxy/origins/carrier.hpp"

namespace tunnel {

// A data connection in the middle of its stream, between two messages of HTTP.
struct HttpStream {
    Channel channel;
    bool sends_raw = false; // see FramedStream
    bool receives_raw = false;
    std::shared_ptr<Carrier> carrier{}; // the log-in that has it
    Clock::time_point born = Clock::now();
};

// Keeps them for a while: the youngest is taken first. A stream whose end is told is waited for a
// little, since the data connection is good for others then. Bounded in number and time.
class StreamPool {
public:
    // Before the stream is ended. Servers keep a silent connection for 5 s and more; but some serve
    // one connection at a time, and meanwhile all others wait.
    static constexpr Clock::duration kept = std::chrono::seconds(3);

    // After this it is not kept: a server that serves one connection at a time has others waiting.
    static constexpr Clock::duration longest_life = std::chrono::seconds(10);

    // For the peer's end of a stream that has ended here.
    static constexpr Clock::duration ending = std::chrono::seconds(5);

    // Called for a data connection whose stream has ended on both ways.
    using OnFree = std::function<void(const Carrier& carrier, Channel channel)>;

    // `watch` must outlive it.
    StreamPool(IdleWatch& watch, OnFree on_free) : watch_(watch), on_free_(std::move(on_free)) {}

    StreamPool(const StreamPool&) = delete;
    StreamPool& operator=(const StreamPool&) = delete;

    ~StreamPool() { clear(); }

    // For the next visitor of this service. The oldest of all goes if there are more than `most`.
    void put(std::uint64_t service, HttpStream stream, std::size_t most);

    // Ends it, unless that has been sent, and waits for its peer to do so as well.
    void end(HttpStream stream, bool has_sent_end, std::size_t most);

    // One of this service and log-in. nullopt: there is none.
    std::optional<HttpStream> take(std::uint64_t service, std::uint64_t link);

    // Ends those of the service, or closes those of the log-ins.
    void end_all_of(std::uint64_t service);
    void close_those_of(const std::function<bool(const Carrier&)>& which);

    // Descriptors that are taken.
    std::size_t size() const { return all_.size() + ending_.size(); }

    // Ends and closes what has waited too long, some in each call.
    void expire(Clock::time_point now);

    // When expire() has something to do.
    std::optional<Clock::time_point> next_deadline() const;

    void clear();

private:
    using Key = std::pair<std::uint64_t, std::uint64_t>; // service, link

    struct Waiting;

    using Place = std::list<Waiting>::iterator;

    struct Waiting {
        HttpStream stream;
        Clock::time_point until;
        std::list<Waiting>* list;
        Key key{};
        IdleWatch::Wait wait = 0;
        std::multimap<Key, Place>::iterator by_key{}; // unless it is ending
    };

    static bool send_end(Channel& channel);
    static bool is_silent(Channel& channel);

    Place insert(HttpStream stream, Clock::time_point until, std::size_t most,
                 std::list<Waiting>& list);
    HttpStream remove(Place place);
    void on_readable(Place place);

    IdleWatch& watch_;
    const OnFree on_free_;
    std::list<Waiting> all_;    // that can be taken; by their time
    std::list<Waiting> ending_; // by their time
    std::multimap<Key, Place> by_key_;
};

} // namespace tunnel
