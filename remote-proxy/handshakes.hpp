// The connections that have not said yet who they are.
#pragma once

#include <cstddef>
#include <list>
#include <optional>
#include <string_view>

#include "common/asio.hpp"
#include "common/protocol/ids.hpp"

namespace tunnel {

// Bounds their number and their time. All have the same limit, so the oldest is the first to reach
// it, and the first to go when there are too many.
class Handshakes {
    struct Entry {
        tcp::socket* socket;
        Clock::time_point began;
        std::string_view end;                  // why it was closed by us, empty if it was not
        std::optional<RandomBytes> expected{}; // by this number, good once
    };

    using Entries = std::list<Entry>;

public:
    // One connection's place, until it has said who it is.
    class Place {
    public:
        Place(const Place&) = delete;
        Place& operator=(const Place&) = delete;

        ~Place();

        // Why this class has closed the socket; empty if it has not.
        std::string_view end() const { return entry_->end; }

        // It seems to be a data connection, though it has not proved that yet. No stranger pushes
        // it out any more, as long as there are not more than `most` of this kind.
        // Nor is there another of this number: whoever reads along may play its first bytes again.
        void expect(const RandomBytes& once, std::size_t most)
        {
            owner_.expect(*entry_, once, most);
        }

    private:
        friend class Handshakes;

        Place(Handshakes& owner, Entries::iterator entry) : owner_(owner), entry_(entry) {}

        Handshakes& owner_;
        Entries::iterator entry_;
    };

    explicit Handshakes(std::size_t capacity) : capacity_(capacity) {}

    bool full() const { return open_ >= capacity_; }

    // Closes the oldest that is not expected if there is no room. `socket` must outlive the place.
    Place enter(tcp::socket& socket, Clock::time_point now);

    // When the one that has taken longest began.
    std::optional<Clock::time_point> oldest() const;

    // Closes those that began at `before` or earlier.
    void expire(Clock::time_point before);

private:
    void expect(Entry& entry, const RandomBytes& once, std::size_t most);
    void leave(const Entry& entry);
    void close(Entry& entry, std::string_view why);

    std::size_t capacity_;
    std::size_t open_ = 0;     // strangers
    std::size_t expected_ = 0; // others
    Entries entries_; // by age; those that were closed stay until their coroutine has noticed
};

} // namespace tunnel
