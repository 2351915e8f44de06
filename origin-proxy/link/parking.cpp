#include "origin-proxy/link/parking.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "common/base/log.hpp"
#include "common/protocol/wire.hpp"
#include "common/security/proof.hpp"
#include "common/transport/socket.hpp"

namespace tunnel {

namespace {

// However many visitors come at once; those whose stream has ended come on top.
constexpr std::size_t most_by_demand = 16;

constexpr auto between_looks = std::chrono::seconds(5);

Park::Numbered proof_of(const Session& session, std::uint64_t number)
{
    return {number, prove_park(session.key.value(), number)};
}

} // namespace

Parking::Parking(asio::io_context& io, TaskGroup& tasks, const DataDialler& dialler,
                 Options options, OnAnnounce on_announce)
    : io_(io),
      tasks_(tasks),
      dialler_(dialler),
      options_(options),
      on_announce_(std::move(on_announce))
{
}

void Parking::open(const Session& session)
{
    session_ = session;
    next_number_ = 0;
    target_ = options_.number.value_or(1);
    fill_up();
}

void Parking::close()
{
    session_.reset();
    for (Waiting& each : waiting_) {
        std::error_code ignored;
        each.channel.socket().close(ignored);
    }
}

void Parking::set_capacity(std::size_t capacity)
{
    options_.capacity = capacity;
    std::size_t left = waiting_.size();
    for (auto each = waiting_.begin(); left > capacity; ++each, --left) {
        std::error_code ignored;
        each->channel.socket().close(ignored);
    }
}

void Parking::missed()
{
    if (!session_)
        return;
    if (!options_.number)
        target_ = std::min(target_ + 1, most_by_demand);
    fill_up();
}

void Parking::put(Channel connection, const SessionId& session)
{
    if (session_ && session_->id == session && waiting_.size() + dialling_ < options_.capacity)
        park(std::move(connection));
}

// One attempt for each that is missing: an attempt may fail, or succeed, before spawn() returns,
// and one that fails is made again when tend() looks or a visitor finds nothing parked.
void Parking::fill_up()
{
    const std::size_t wanted = std::min(target_, options_.capacity);
    const std::size_t there = waiting_.size() + dialling_;
    for (std::size_t missing = wanted - std::min(wanted, there); session_ && missing > 0;
         --missing) {
        ++dialling_;
        tasks_.spawn("parking a connection", dial());
    }
}

awaitable<void> Parking::dial()
{
    struct Dialling {
        std::size_t& count;

        ~Dialling() { --count; }
    };

    const Session session = *session_;
    Channel connection;
    {
        const Dialling dialling{dialling_};
        try {
            Park park{session.id};
            if (session.proves())
                park.numbered = proof_of(session, next_number_++);
            Dial dial = dialler_.begin(session);
            const RandomBytes once = random_bytes();
            connection = co_await dialler_.finish(std::move(dial), session, once);
            std::string hello(magic.begin(), magic.end());
            hello += encode(park);
            if (const std::error_code error = connection.send_at_once(hello))
                throw std::system_error(error);
        } catch (const std::system_error& error) {
            if (error.code() == asio::error::operation_aborted)
                throw;
            log::debug("cannot park a connection",
                       {{"code", name_of(code_of(error.code()))}, {"reason", error.what()}});
            co_return;
        }
    }
    if (session_ && session_->id == session.id)
        park(std::move(connection));
}

// Until a visitor is announced on it, or it is closed by either side. No coroutine: each visitor
// comes by here, and starting one costs more than all the rest of this.
void Parking::park(Channel connection)
{
    Place place;
    try {
        AsyncChannel channel(io_, session_->remote.protocol(), std::move(connection));
        place = waiting_.insert(waiting_.end(), {std::move(channel)});
    } catch (const std::system_error& error) {
        log::debug("a parked connection ended",
                   {{"code", name_of(code_of(error.code()))}, {"reason", error.code().message()}});
        return;
    }
    if (place->channel.has_pending())
        on_readable(place);
    else
        wait(place);
}

void Parking::wait(Place place)
{
    place->channel.socket().async_wait(
        tcp::socket::wait_read, [this, place](std::error_code error) {
            if (!error) {
                on_readable(place);
                return;
            }
            log::debug("a parked connection ended",
                       {{"code", name_of(code_of(error))}, {"reason", error.message()}});
            waiting_.erase(place);
        });
}

// When all others have had their turn.
void Parking::go_on_later(Place place)
{
    asio::post(io_, [this, place] {
        if (place->channel.socket().is_open())
            on_readable(place);
        else
            waiting_.erase(place);
    });
}

// The next frame, if it is there. Throws std::system_error when the connection has ended, or is not
// worth reading any more. It reads only so much, since others wait for their turn.
Parking::Received Parking::receive(Waiting& waiting)
{
    for (int step = 0; step < most_steps_in_a_turn; ++step) {
        if (auto frame = take_frame(waiting.channel.read_ahead(), waiting.unknown))
            return {std::move(frame)};
        std::array<char, 1024> bytes;
        const ssize_t size = waiting.channel.receive(std::as_writable_bytes(std::span(bytes)));
        if (size == 0)
            throw std::system_error(asio::error::eof);
        if (size > 0)
            waiting.channel.read_ahead().append(bytes.data(), static_cast<std::size_t>(size));
        else if (errno == EAGAIN)
            return {};
        else if (errno != EINTR)
            throw std::system_error(errno, std::system_category());
    }
    return {std::nullopt, true};
}

void Parking::on_readable(Place place)
{
    std::optional<Announce> announce;
    try {
        const auto [frame, more_may_be_there] = receive(*place);
        if (!frame) {
            if (more_may_be_there)
                go_on_later(place);
            else
                wait(place);
            return;
        }
        if (const auto* const announced = std::get_if<Announce>(&*frame))
            announce = *announced;
    } catch (const std::system_error& error) {
        log::debug("a parked connection ended",
                   {{"code", name_of(code_of(error.code()))}, {"reason", error.code().message()}});
    }
    Waiting waiting = std::move(*place);
    waiting_.erase(place);
    if (!session_)
        return;
    if (!announce) {
        // The remote proxy may take no more than there are: do not offer them all at every chance.
        target_ = std::max<std::size_t>(1, target_) - 1;
        return;
    }
    on_announce_(std::move(*announce), waiting.channel.release());
    fill_up();
}

awaitable<void> Parking::tend()
{
    for (;;) {
        co_await sleep_for(std::min<Clock::duration>(between_looks, options_.kept_for));
        // The remote proxy takes the youngest first, so the oldest are those that nobody needs.
        const auto before = Clock::now() - options_.kept_for;
        const std::size_t least = options_.number.value_or(1);
        std::size_t left = waiting_.size();
        for (Waiting& each : waiting_) {
            if (left <= least || each.since > before)
                break;
            std::error_code ignored;
            each.channel.socket().close(ignored);
            --left;
            if (target_ > least)
                --target_;
        }
        if (target_ < least) // the remote proxy closed some; it may take more by now
            target_ = std::min(least, std::max<std::size_t>(1, 2 * target_));
        fill_up();
    }
}

} // namespace tunnel
