#include "common/protocol/control_connection.hpp"

#include <algorithm>
#include <utility>

#include <netinet/tcp.h>

#include "common/base/error.hpp"

namespace tunnel {

namespace {

// However short the peer's timeout, and however often it probes.
constexpr auto shortest_interval = std::chrono::milliseconds(100);

// Some frames, such as an offer, take much longer than others: after so long others have a turn,
// however few frames that were.
constexpr auto longest_turn = std::chrono::microseconds(300);

// A peer that takes nothing must not keep its connection by heartbeats alone.
constexpr auto patience_for_goodbye = std::chrono::seconds(5);

} // namespace

ControlConnection::ControlConnection(AsyncChannel channel, Heartbeats heartbeats)
    : channel_(std::move(channel)),
      heartbeats_(heartbeats),
      reader_(channel_),
      outbox_filled_(channel_.socket().get_executor()),
      heart_(channel_.socket().get_executor()),
      last_received_(Clock::now())
{
    std::error_code ignored; // a connection that is gone already shows at the first read
    peer_ = channel_.socket().remote_endpoint(ignored);
    channel_.socket().set_option(tcp::no_delay(true), ignored);
}

awaitable<void> ControlConnection::run(std::function<void(Frame&)> on_frame)
{
    using namespace asio::experimental::awaitable_operators;
    // None of the three throws; the first that ends makes the others end.
    co_await (receive(on_frame) && transmit() && keep_alive());
    fail(end_error_, end_what_);
}

void ControlConnection::post(const Frame& frame)
{
    if (ended_ || finish_by_)
        return;
    outbox_ += encode(frame);
    if (outbox_.size() > largest_outbox)
        end(make_error_code(Errc::peer_takes_nothing), "its frames wait here");
    outbox_filled_.notify();
}

void ControlConnection::finish(Reason reason)
{
    const Goodbye goodbye{reason.text, reason.code};
    post(goodbye);
    if (!finish_by_) {
        finish_by_ = Clock::now() + patience_for_goodbye;
        farewell_ = std::move(reason);
    }
    heart_.notify();
}

void ControlConnection::end(std::error_code error, std::string what)
{
    if (std::exchange(ended_, true))
        return;
    end_error_ = error;
    end_what_ = std::move(what);
    std::error_code ignored;
    channel_.socket().close(ignored);
    outbox_filled_.notify();
    heart_.notify();
}

void ControlConnection::set_peer_timeout(std::chrono::milliseconds timeout)
{
    // Three in the time, so that one lost in a short outage does not matter; 0 would be no time at
    // all, from a peer that does not tell.
    if (timeout.count() > 0)
        heartbeats_.interval =
            std::min(std::max(timeout / 3, shortest_interval), heartbeats_.interval);
    heart_.notify();
}

std::optional<std::chrono::microseconds> ControlConnection::round_trip() const
{
    tcp_info info{};
    socklen_t size = sizeof info;
    // It is a const call of the socket, but asio has none that gives its descriptor.
    const int descriptor = const_cast<tcp::socket&>(channel_.socket()).native_handle();
    if (::getsockopt(descriptor, IPPROTO_TCP, TCP_INFO, &info, &size) != 0 || info.tcpi_rtt == 0)
        return std::nullopt;
    return std::chrono::microseconds(info.tcpi_rtt);
}

awaitable<void> ControlConnection::receive(std::function<void(Frame&)>& on_frame)
{
    try {
        Clock::duration busy(0); // with frames, in this turn
        while (!ended_) {
            Frame frame = co_await reader_.next();
            last_received_ = Clock::now();
            ++received_;
            if (std::holds_alternative<Probe>(frame))
                on_probe();
            on_frame(frame);
            busy += Clock::now() - last_received_;
            if (busy > longest_turn) {
                co_await yield_to_others();
                busy = Clock::duration(0);
            }
        }
    } catch (const std::system_error& error) {
        const bool closed = error.code() == asio::error::eof;
        end(closed ? make_error_code(Errc::closed_by_peer) : error.code());
    }
}

// At once, but for probes that come in quick succession: one answer is enough for those.
void ControlConnection::on_probe()
{
    if (last_received_ >= probe_answered_ + shortest_interval) {
        probe_answered_ = last_received_;
        post(Heartbeat());
    } else if (!std::exchange(probe_waits_, true)) {
        heart_.notify();
    }
}

awaitable<void> ControlConnection::transmit()
{
    try {
        while (!ended_) {
            while (outbox_.empty() && !ended_)
                co_await outbox_filled_.wait();
            if (!outbox_.empty() && !ended_)
                co_await send(channel_, std::exchange(outbox_, {}));
            if (finish_by_ && outbox_.empty())
                end(make_error_code(std::errc::operation_canceled), "closed on purpose");
        }
    } catch (const std::system_error& error) {
        // The peer's last words may still wait to be read; receive() ends the connection after
        // them.
        if (error.code() != std::errc::connection_reset && error.code() != std::errc::broken_pipe)
            end(error.code());
    }
}

awaitable<void> ControlConnection::keep_alive()
{
    try {
        auto next_heartbeat = Clock::now();
        while (!ended_) {
            const auto now = Clock::now();
            if (now >= last_received_ + heartbeats_.timeout) {
                end(make_error_code(Errc::heartbeat_timeout));
                break;
            }
            if (finish_by_ && now >= *finish_by_) {
                end(make_error_code(std::errc::operation_canceled), "closed on purpose");
                break;
            }
            next_heartbeat = std::min(next_heartbeat, now + heartbeats_.interval);
            if (probe_waits_)
                next_heartbeat = std::min(next_heartbeat, probe_answered_ + shortest_interval);
            if (now >= next_heartbeat) {
                if (std::exchange(probe_waits_, false))
                    probe_answered_ = now;
                post(Heartbeat());
                next_heartbeat = now + heartbeats_.interval;
            }
            const auto limit = std::min(last_received_ + heartbeats_.timeout,
                                        finish_by_.value_or(Clock::time_point::max()));
            co_await heart_.wait_until(std::min(next_heartbeat, limit));
        }
    } catch (const std::system_error& error) {
        end(error.code());
    }
}

} // namespace tunnel
