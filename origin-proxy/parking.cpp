#include "origin-proxy/parking.hpp"

#include <algorithm>
#include <utility>

#include "common/log.hpp"
#include "common/net/dial.hpp"
#include "common/net/socket.hpp"
#include "common/protocol/wire.hpp"

namespace tunnel {

namespace {

// However many visitors come at once; those whose stream has ended come on top.
constexpr std::size_t most_by_demand = 16;

constexpr auto between_looks = std::chrono::seconds(5);

} // namespace

Parking::Parking(asio::io_context& io, TaskGroup& tasks, Options options, OnAnnounce on_announce)
    : io_(io), tasks_(tasks), options_(std::move(options)), on_announce_(std::move(on_announce))
{
}

void Parking::open(const tcp::endpoint& remote, const SessionId& session)
{
    remote_ = remote;
    session_ = session;
    target_ = options_.number.value_or(1);
    fill_up();
}

void Parking::close()
{
    session_.reset();
    for (const Waiting& each : waiting_) {
        std::error_code ignored;
        each.socket->close(ignored);
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

void Parking::put(Framed connection, const SessionId& session)
{
    if (session_ == session && waiting_.size() + dialling_ < options_.capacity)
        tasks_.spawn("a parked connection", wait(std::move(connection)));
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

    const SessionId session = *session_;
    Framed connection;
    {
        const Dialling dialling{dialling_};
        try {
            Dial dial(io_.get_executor(), {remote_}, options_.dial_timeout, options_.congestion,
                      Hop::between);
            Dialled dialled = co_await dial.finish();
            prepare_stream(dialled.socket.get());
            const Park park{session};
            std::string hello(magic.begin(), magic.end());
            hello += encode(park);
            if (const std::error_code error = send_at_once(dialled.socket.get(), hello))
                throw std::system_error(error);
            connection.socket = std::move(dialled.socket);
        } catch (const std::system_error& error) {
            if (error.code() == asio::error::operation_aborted)
                throw;
            log::debug("cannot park a connection", {{"reason", error.code().message()}});
            co_return;
        }
    }
    if (session_ == session)
        co_await wait(std::move(connection));
}

// Until a visitor is announced on it, or it is closed by either side.
awaitable<void> Parking::wait(Framed connection)
{
    struct Place {
        std::list<Waiting>& waiting;
        std::list<Waiting>::iterator entry;

        ~Place() { waiting.erase(entry); }
    };

    std::optional<Frame> frame;
    tcp::socket socket(io_);
    socket.assign(remote_.protocol(), connection.socket.get());
    connection.socket.release();
    try {
        const Place place{waiting_, waiting_.insert(waiting_.end(), {&socket, Clock::now()})};
        frame = co_await read_frame(socket, connection.received);
    } catch (const std::system_error& error) {
        if (error.code() == asio::error::operation_aborted && socket.is_open())
            throw;
        log::debug("a parked connection ended", {{"reason", error.code().message()}});
        co_return;
    }
    auto* const announce = std::get_if<Announce>(&*frame);
    if (announce == nullptr || !session_)
        co_return;
    connection.socket = release(std::move(socket));
    on_announce_(std::move(*announce), std::move(connection));
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
        for (const Waiting& each : waiting_) {
            if (left <= least || each.since > before)
                break;
            std::error_code ignored;
            each.socket->close(ignored);
            --left;
            target_ = std::max(least, target_ - 1);
        }
        fill_up();
    }
}

} // namespace tunnel
