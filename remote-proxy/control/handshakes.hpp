// The connections that have not said yet who they are.
#pragma once

#include <cstddef>
#include <list>
#include <optional>
#include <set>

#include "common/base/asio.hpp"
#include "common/base/code.hpp"
#include "common/base/ids.hpp"
#include "common/transport/fair_pool.hpp"

namespace tunnel {

// Bounds their number and their time. All have the same time limit. When there are too many, the
// address that has the most loses its oldest; so strangers from one address, however many
// connections they open, push out only each other. A connection that has named a key that we know
// is not pushed out by those that have named none.
class Handshakes {
    enum class Kind : std::uint8_t {
        unknown, // has shown nothing
        known,   // has named a key of an origin proxy
        expected // has named the key of a data connection that is about to be used
    };

    struct Entry;
    using Entries = std::list<Entry>;

    struct Entry {
        tcp::socket* socket;
        asio::ip::address address;
        Clock::time_point began;
        Reason end{}; // why it was closed by us, empty if it was not
        Kind kind = Kind::unknown;
        FairPool<Entry>::Slot slot{}; // in the pool of its kind
        RandomBytes once{};           // of one that is expected
        Entries::iterator place{};
    };

public:
    // One connection's place, until it has said who it is.
    class Place {
    public:
        Place(const Place&) = delete;
        Place& operator=(const Place&) = delete;

        ~Place();

        // Why this class has closed the socket; empty if it has not.
        const Reason& end() const { return entry_->end; }

        // It has named the key of an origin proxy. Those who have not cannot push it out any more.
        void keep() { owner_.keep(*entry_); }

        // It seems to be a data connection, though it has not proved that yet. No stranger pushes
        // it out any more, as long as there are not more than `most` of this kind.
        // Nor is there another of this number: whoever reads along may play its first bytes again.
        void expect(const RandomBytes& once, std::size_t most)
        {
            owner_.expect(*entry_, once, most);
        }

        bool is_expected() const { return entry_->kind == Kind::expected; }

    private:
        friend class Handshakes;

        Place(Handshakes& owner, Entries::iterator entry) : owner_(owner), entry_(entry) {}

        Handshakes& owner_;
        Entries::iterator entry_;
    };

    explicit Handshakes(std::size_t capacity) : capacity_(capacity) {}

    bool full() const { return unknown_.size() + known_.size() >= capacity_; }

    // Closes another if there is no room. `socket` must outlive the place.
    Place enter(tcp::socket& socket, const asio::ip::address& address, Clock::time_point now);

    // When the one that has taken longest began.
    std::optional<Clock::time_point> oldest() const;

    // Closes those that began at `before` or earlier; the oldest few, if there are many.
    void expire(Clock::time_point before);

private:
    void keep(Entry& entry);
    void expect(Entry& entry, const RandomBytes& once, std::size_t most);
    void enlist(Entry& entry, Kind kind);
    void leave(const Entry& entry);
    void close(Entry& entry, Reason why);

    std::size_t capacity_;
    FairPool<Entry> unknown_;
    FairPool<Entry> known_;          // half of the capacity at most
    std::set<RandomBytes> expected_; // beside the capacity
    Entries open_;                   // by age
    Entries closed_;                 // until their coroutines have noticed
};

} // namespace tunnel
