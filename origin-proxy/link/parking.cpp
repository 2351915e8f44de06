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

Parking::Parking(TaskGroup& tasks, const DataDialler& dialler, IdleWatch& idle, Options options,
                 OnAnnounce on_announce)
    : tasks_(tasks),
      dialler_(dialler),
      idle_(idle),
      options_(options),
      on_announce_(std::move(on_announce))
{
}

Parking::~Parking()
{
    close();
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
    while (!waiting_.empty())
        erase(waiting_.begin());
}

void Parking::leave()
{
    is_leaving_ = true;
}

void Parking::set_capacity(std::size_t capacity)
{
    options_.capacity = capacity;
    while (waiting_.size() > capacity)
        erase(waiting_.begin());
}

void Parking::missed()
{
    if (!session_)
        return;
    if (!options_.number)
        target_ = std::min(target_ + 1, most_by_demand);
    fill_up();
}

void Parking::put(Channel connection)
{
    // The remote proxy may have announced a visitor on it before it hears the goodbye.
    if (session_ && (is_leaving_ || waiting_.size() + dialling_ < options_.capacity))
        park(std::move(connection));
}

// One attempt for each that is missing: an attempt may fail, or succeed, before spawn() returns,
// and one that fails is made again when tend() looks or a visitor finds nothing parked.
void Parking::fill_up()
{
    const std::size_t wanted = is_leaving_ || !dials_ ? 0 : std::min(target_, options_.capacity);
    const std::size_t there = waiting_.size() + dialling_;
    for (std::size_t missing = wanted - std::min(wanted, there); session_ && missing > 0;
         --missing) {
        ++dialling_;
        tasks_.spawn("parking a connection", dial(*session_));
    }
}

awaitable<void> Parking::dial(Session session)
{
    struct Dialling {
        std::size_t& count;

        ~Dialling() { --count; }
    };

    Channel connection;
    {
        const Dialling dialling{dialling_};
        if (!is_open_for(session)) // it was over before this began
            co_return;
        try {
            Park park{session.id};
            if (session.proves())
                park.numbered = proof_of(session, next_number_++);
            Dial dial = dialler_.begin(session);
            const RandomBytes once = random_bytes();
            connection = co_await dialler_.finish(std::move(dial), session, once);
            if (!is_open_for(session))
                co_return;
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
    park(std::move(connection)); // from here on a visitor may come on it
}

bool Parking::is_open_for(const Session& session) const
{
    return session_ && !is_leaving_ && session_->id == session.id;
}

// Until a visitor is announced on it, or it is closed by either side. No coroutine: each visitor
// comes by here, and starting one costs more than all the rest of this.
void Parking::park(Channel connection)
{
    const auto place = waiting_.emplace_hint(waiting_.end(), ++latest_, Waiting{});
    place->second.received = connection.take_read_ahead();
    place->second.channel = std::move(connection);
    const bool has_pending = !place->second.received.empty() || place->second.channel.has_pending();
    if (has_pending)
        on_readable(place->first);
    else
        wait(place);
}

void Parking::wait(All::iterator place)
{
    try {
        place->second.wait = idle_.await(place->second.channel.descriptor(),
                                         [this, number = place->first] { on_readable(number); });
    } catch (const std::system_error& error) {
        log::debug("a parked connection ended",
                   {{"code", name_of(code_of(error.code()))}, {"reason", error.code().message()}});
        waiting_.erase(place);
    }
}

Parking::All::iterator Parking::erase(All::iterator place)
{
    idle_.forget(place->second.wait);
    return waiting_.erase(place);
}

// When all others have had their turn.
awaitable<void> Parking::go_on_later(std::uint64_t number)
{
    co_await yield_to_others();
    on_readable(number);
}

// The next frame, if it is there. Throws std::system_error when the connection has ended, or is not
// worth reading any more. It reads only so much, since others wait for their turn.
Parking::Received Parking::receive(Waiting& waiting)
{
    for (int step = 0; step < most_steps_in_a_turn; ++step) {
        if (auto frame = take_frame(waiting.received, waiting.unknown))
            return {std::move(frame)};
        std::array<char, 1024> bytes;
        const ssize_t size = waiting.channel.receive(std::as_writable_bytes(std::span(bytes)));
        if (size == 0)
            throw std::system_error(asio::error::eof);
        if (size > 0)
            waiting.received.append(bytes.data(), static_cast<std::size_t>(size));
        else if (errno == EAGAIN)
            return {};
        else if (errno != EINTR)
            throw std::system_error(errno, std::system_category());
    }
    return {std::nullopt, true};
}

// Unless it was closed meanwhile.
void Parking::on_readable(std::uint64_t number)
{
    const auto place = waiting_.find(number);
    if (place == waiting_.end())
        return;
    place->second.wait = 0;
    std::optional<Announce> announce;
    try {
        const auto [frame, more_may_be_there] = receive(place->second);
        if (!frame) {
            if (more_may_be_there)
                tasks_.spawn("reading a parked connection", go_on_later(number));
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
    Waiting waiting = std::move(place->second);
    waiting_.erase(place);
    if (!session_)
        return;
    if (!announce) {
        // The remote proxy may take no more than there are: do not offer them all at every chance.
        target_ = std::max<std::size_t>(1, target_) - 1;
        return;
    }
    waiting.channel.unread(std::as_bytes(std::span(waiting.received)));
    on_announce_(std::move(*announce), std::move(waiting.channel));
    fill_up();
}

awaitable<void> Parking::tend()
{
    for (;;) {
        co_await sleep_for(std::min<Clock::duration>(between_looks, options_.kept_for));
        // The remote proxy takes the youngest first, so the oldest are those that nobody needs.
        const auto before = Clock::now() - options_.kept_for;
        const std::size_t least = options_.number.value_or(1);
        while (waiting_.size() > least && waiting_.begin()->second.since <= before) {
            erase(waiting_.begin());
            if (target_ > least)
                --target_;
        }
        if (target_ < least) // the remote proxy closed some; it may take more by now
            target_ = std::min(least, std::max<std::size_t>(1, 2 * target_));
        fill_up();
    }
}

} // namespace tunnel
