#include "remote-proxy/visitors/stream_pool.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
#include <string_view>
#include <system_error>

#include "common/relay/framing.hpp"
#include "common/transport/socket.hpp"

namespace tunnel {

namespace {

constexpr int ended_per_turn = 64;

} // namespace

void StreamPool::put(std::uint64_t service, HttpStream stream, std::size_t most)
{
    if (stream.channel.has_pending()) // nobody has asked for it
        return;
    const Key key{service, stream.carrier->link};
    const Place place = insert(std::move(stream), Clock::now() + kept, most, all_);
    if (place == all_.end())
        return;
    place->key = key;
    place->by_key = by_key_.emplace(key, place);
}

void StreamPool::end(HttpStream stream, bool has_sent_end, std::size_t most)
{
    if (stream.sends_raw || stream.receives_raw) {
        allow_clean_close(stream.channel.descriptor()); // which is the end of its stream
        return;
    }
    if (!has_sent_end && !send_end(stream.channel))
        return;
    insert(std::move(stream), Clock::now() + ending, most, ending_);
}

bool StreamPool::send_end(Channel& channel)
{
    constexpr auto end = frame_header(StreamFrame::end, 0);
    const std::string_view bytes(reinterpret_cast<const char*>(end.data()), end.size());
    return !channel.send_at_once(bytes);
}

// The end of the list: it is closed.
StreamPool::Place StreamPool::insert(HttpStream stream, Clock::time_point until, std::size_t most,
                                     std::list<Waiting>& list)
{
    if (size() >= most && size() > 0)
        remove(ending_.empty() ? all_.begin() : ending_.begin());
    const Place place = list.insert(list.end(), Waiting{std::move(stream), until, &list});
    try {
        place->wait = watch_.await_new(place->stream.channel.descriptor(),
                                       [this, place] { on_readable(place); });
    } catch (const std::system_error&) { // no memory for it
        list.erase(place);
        return list.end();
    }
    return place;
}

HttpStream StreamPool::remove(Place place)
{
    watch_.leave(place->wait, place->stream.channel.descriptor());
    if (place->list == &all_)
        by_key_.erase(place->by_key);
    HttpStream stream = std::move(place->stream);
    place->list->erase(place);
    return stream;
}

// What has come unasked, and was not looked at yet, must not become an answer to the next request.
std::optional<HttpStream> StreamPool::take(std::uint64_t service, std::uint64_t link)
{
    for (;;) {
        const auto [first, last] = by_key_.equal_range({service, link});
        if (first == last)
            return std::nullopt;
        const Place youngest = std::prev(last)->second;
        if (is_silent(youngest->stream.channel))
            return remove(youngest);
        on_readable(youngest);
    }
}

bool StreamPool::is_silent(Channel& channel)
{
    std::byte next{};
    return channel.peek(std::span(&next, 1)) < 0 && errno == EAGAIN;
}

// It should be silent. What else it says than its end can belong to no request.
void StreamPool::on_readable(Place place)
{
    const bool was_ending = place->list == &ending_;
    HttpStream stream = remove(place);
    if (stream.sends_raw || stream.receives_raw)
        return;
    constexpr auto end = frame_header(StreamFrame::end, 0);
    std::array<std::byte, end.size() + 1> room{};
    const ssize_t size = stream.channel.receive(room);
    if (size != static_cast<ssize_t>(end.size()) ||
        !std::equal(end.begin(), end.end(), room.begin()))
        return;
    if (was_ending || send_end(stream.channel))
        on_free_(*stream.carrier, std::move(stream.channel));
}

void StreamPool::end_all_of(std::uint64_t service)
{
    for (auto each = by_key_.lower_bound({service, 0});
         each != by_key_.end() && each->first.first == service;) {
        const Place place = (each++)->second;
        end(remove(place), false, SIZE_MAX);
    }
}

void StreamPool::close_those_of(const std::function<bool(const Carrier&)>& which)
{
    for (std::list<Waiting>* const list : {&all_, &ending_}) {
        for (auto each = list->begin(); each != list->end();) {
            const Place place = each++;
            if (which(*place->stream.carrier))
                remove(place);
        }
    }
}

void StreamPool::expire(Clock::time_point now)
{
    for (int i = 0; i < ended_per_turn && !ending_.empty() && ending_.front().until <= now; ++i)
        remove(ending_.begin());
    for (int i = 0; i < ended_per_turn && !all_.empty() && all_.front().until <= now; ++i)
        end(remove(all_.begin()), false, SIZE_MAX);
}

std::optional<Clock::time_point> StreamPool::next_deadline() const
{
    std::optional<Clock::time_point> next;
    for (const std::list<Waiting>* const list : {&all_, &ending_}) {
        if (!list->empty() && (!next || list->front().until < *next))
            next = list->front().until;
    }
    return next;
}

void StreamPool::clear()
{
    while (!all_.empty())
        remove(all_.begin());
    while (!ending_.empty())
        remove(ending_.begin());
}

} // namespace tunnel
