#include "remote-proxy/fronts/head_pool.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
#include <string_view>
#include <utility>

#include "common/http/request_head.hpp"
#include "common/transport/socket.hpp"

namespace tunnel {

namespace {

// Of one visitor at once, then others have their turn.
constexpr std::size_t piece = 16 * 1024;
constexpr int pieces_per_turn = 4;

constexpr int turns_at_once = 64;

} // namespace

HeadPool::HeadPool(asio::io_context& io, IdleWatch& watch, Alarm& alarm, Hooks hooks,
                   const Limits& limits)
    : io_(io),
      watch_(watch),
      alarm_(alarm),
      hooks_(std::move(hooks)),
      limits_(limits),
      lives_(std::make_shared<bool>(true))
{
}

HeadPool::~HeadPool()
{
    *lives_ = false;
    clear();
}

void HeadPool::wait(HttpClient client)
{
    while (size() >= limits_.connections && size() > 0)
        hooks_.on_pushed_out(remove(by_address_.first_to_go()->place));
    const bool is_ready = client.channel.has_pending();
    const bool is_fresh = client.requests == 0; // its request is there already, most often
    const auto limit =
        client.requests > 0 && !client.channel.has_read_ahead() ? limits_.idle : limits_.head;
    const Place place = waiting_.insert(waiting_.end(), Waiting{std::move(client)});
    place->place = place;
    place->slot = by_address_.insert(place->client.info.peer.address(), *place);
    const auto due = Clock::now() + limit;
    place->deadline = deadlines_.emplace(due, place);
    alarm_.ring_by(due);
    if (!is_ready)
        return is_fresh ? look(place) : watch(place);
    place->is_ready = true;
    ready_.splice(ready_.end(), waiting_, place);
    if (std::exchange(turn_is_due_, true))
        return;
    asio::post(io_, [this, lives = lives_] {
        if (*lives)
            take_turns();
    });
}

// Whoever sends many requests at once waits for each turn like all others.
void HeadPool::take_turns()
{
    turn_is_due_ = false;
    for (int i = 0; i < turns_at_once && !ready_.empty(); ++i) {
        const Place place = ready_.begin();
        waiting_.splice(waiting_.end(), ready_, place);
        place->is_ready = false;
        look(place);
    }
    if (ready_.empty() || std::exchange(turn_is_due_, true))
        return;
    asio::post(io_, [this, lives = lives_] {
        if (*lives)
            take_turns();
    });
}

void HeadPool::watch(Place place)
{
    try {
        place->wait =
            watch_.await_new(place->client.channel.descriptor(), [this, place] { look(place); });
    } catch (const std::system_error&) { // no memory for it
        hooks_.on_pushed_out(remove(place));
    }
}

void HeadPool::look(Place place)
{
    if (const auto wait = std::exchange(place->wait, 0); wait != 0)
        watch_.leave(wait, place->client.channel.descriptor());
    if (!take_in(place)) {
        HttpClient gone = remove(place);
        allow_clean_close(gone.channel.descriptor());
        return;
    }
    const bool is_first = place->searched == 0;
    const HeadSearch found = find_request_head(place->bytes, place->searched);
    if (found.is == HeadSearch::Is::incomplete) {
        if (is_first && !place->bytes.empty())
            set_deadline(place, Clock::now() + limits_.head);
        place->searched = found.size;
        return watch(place);
    }
    std::string bytes = std::move(place->bytes);
    HttpClient client = remove(place);
    if (found.is == HeadSearch::Is::wrong)
        return hooks_.on_wrong(std::move(client), found.problem);
    client.channel.unread(std::as_bytes(std::span(bytes)).subspan(found.size));
    bytes.resize(found.size);
    hooks_.on_head(std::move(client), std::move(bytes));
}

// What has come, as far as a head can need it. False: nothing will come any more.
bool HeadPool::take_in(Place place)
{
    static thread_local std::array<std::byte, piece> room;
    for (int i = 0; i < pieces_per_turn && place->bytes.size() <= largest_head; ++i) {
        const ssize_t size = place->client.channel.receive(room);
        if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR))
            return i > 0; // what came before is looked at
        if (size < 0)
            return true;
        place->bytes.append(reinterpret_cast<const char*>(room.data()),
                            static_cast<std::size_t>(size));
        if (static_cast<std::size_t>(size) < room.size() && !place->client.channel.has_pending())
            return true;
    }
    return true;
}

void HeadPool::set_deadline(Place place, Clock::time_point when)
{
    deadlines_.erase(place->deadline);
    place->deadline = deadlines_.emplace(when, place);
    alarm_.ring_by(when); // that of a silent visitor was later
}

HttpClient HeadPool::remove(Place place)
{
    if (place->wait != 0)
        watch_.leave(place->wait, place->client.channel.descriptor());
    deadlines_.erase(place->deadline);
    by_address_.erase(place->slot);
    HttpClient client = std::move(place->client);
    (place->is_ready ? ready_ : waiting_).erase(place);
    return client;
}

std::optional<HttpClient> HeadPool::take_idle()
{
    const auto found = std::ranges::find_if(
        waiting_, [](const Waiting& each) { return each.bytes.empty() && !each.is_ready; });
    return found == waiting_.end() ? std::nullopt : std::optional(remove(found));
}

void HeadPool::expire(Clock::time_point now)
{
    for (int i = 0; i < turns_at_once && !deadlines_.empty(); ++i) {
        const auto [when, place] = *deadlines_.begin();
        if (when > now)
            return;
        const bool has_begun = !place->bytes.empty();
        hooks_.on_late(remove(place), has_begun);
    }
}

std::optional<Clock::time_point> HeadPool::next_deadline() const
{
    return deadlines_.empty() ? std::nullopt : std::optional(deadlines_.begin()->first);
}

void HeadPool::clear()
{
    while (!deadlines_.empty()) {
        const bool has_begun = !deadlines_.begin()->second->bytes.empty();
        HttpClient client = remove(deadlines_.begin()->second);
        if (has_begun)
            reset(client.channel);
        else
            allow_clean_close(client.channel.descriptor()); // it may still read an answer
    }
}

} // namespace tunnel
