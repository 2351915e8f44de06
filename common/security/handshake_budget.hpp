// Limits the processor time spent on peers that have not proved anything.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <optional>

#include <poll.h>

#include "common/base/asio.hpp"
#include "common/transport/cidr.hpp"
#include "common/transport/recent_addresses.hpp"

namespace tunnel {

// Lets one handshake at a time do its costly part (signatures, key exchanges), and gives these a
// share of the time only. Addresses take turns: the one that has cost least is next, so a flooding
// address only delays itself. Within an address the latest handshake is first: it has most of its
// time left. Addresses are distinguished by subscriber_of().
class HandshakeBudget {
public:
    struct Options {
        double share = 0.2;                                     // of the thread's time
        Clock::duration burst = std::chrono::milliseconds(20);  // that may be spent at once
        Clock::duration credit = std::chrono::milliseconds(50); // of an address that succeeded
        std::size_t most_remembered = 4096;                     // addresses
    };

    // A handshake that waits for its turn, or has it. The budget must outlive it.
    class Turn {
    public:
        // `on_granted` is called when the turn is granted later than at once. It may not end the
        // turn itself.
        Turn(HandshakeBudget& budget, const asio::ip::address& address,
             std::function<void()> on_granted);

        Turn(const Turn&) = delete;
        Turn& operator=(const Turn&) = delete;

        // Ends the turn. Time that was not paid() costs nothing.
        ~Turn();

        bool granted() const { return granted_; }

        // Ends a turn that was granted.
        void pay(Clock::duration cost);

    private:
        friend class HandshakeBudget;

        HandshakeBudget& budget_;
        const Cidr address_;
        std::function<void()> on_granted_;
        bool granted_ = false;
        bool over_ = false;
        std::list<Turn*>::iterator entry_{}; // while it waits
    };

    HandshakeBudget(const asio::any_io_executor& executor, const Options& options);

    HandshakeBudget(const HandshakeBudget&) = delete;
    HandshakeBudget& operator=(const HandshakeBudget&) = delete;

    // A handshake from this address succeeded: its next ones go first, up to the credit.
    void succeeded(const asio::ip::address& address);

    std::size_t waiting() const { return waiting_; }

private:
    // What an address has cost lies between two points of a clock that moves on with what is spent
    // (start-time fair queuing): whoever has asked for nothing lately starts at its present.
    struct Account {
        Clock::duration spent_until{0};
        Clock::duration credit{0};
    };

    // Start; then the latest comes first, as it has most of its time left.
    using Rank = std::pair<Clock::duration, std::int64_t>;

    struct Group {
        std::list<Turn*> turns; // the latest is the last
        Rank rank;
    };

    using Groups = std::map<Cidr, Group>;

    void ask(Turn& turn);
    void give_up(Turn& turn);
    void pay(const Turn& turn, Clock::duration cost);
    void advance();
    bool may_spend(Clock::time_point now);
    Clock::duration start_of(const Cidr& address) const;
    void rank(Groups::iterator group);

    const Options options_;
    Timer timer_;
    bool timing_ = false;
    bool busy_ = false; // somebody has the turn
    Clock::duration debt_{0};
    Clock::time_point debt_at_;
    Clock::duration present_{0};
    RecentAddresses<Account> accounts_;
    std::int64_t latest_ = 0;
    std::size_t waiting_ = 0;
    Groups groups_; // that wait
    std::map<Rank, Groups::iterator> ranking_;
};

// Waits for the turn as long as the peer of this socket is connected. Throws std::system_error: eof
// if it has left, the socket's error, or operation_aborted if the socket was closed.
template <class Socket>
awaitable<void> wait_for(const HandshakeBudget::Turn& turn, Socket& socket)
{
    auto event = Socket::wait_read; // a peer that waits for an answer has nothing to say
    while (!turn.granted()) {
        std::error_code error;
        co_await socket.async_wait(event, redirect_error(use_awaitable, error));
        if (turn.granted())
            break;
        if (error)
            throw std::system_error(error);
        pollfd gone{socket.native_handle(), POLLRDHUP, 0};
        if (::poll(&gone, 1, 0) != 0)
            throw std::system_error(asio::error::eof);
        event = Socket::wait_error;
    }
    pollfd gone{socket.native_handle(), POLLRDHUP, 0};
    if (socket.is_open() && ::poll(&gone, 1, 0) != 0)
        throw std::system_error(asio::error::eof);
}

} // namespace tunnel
