// Visitors of whose TLS hello a part is still to come.
#pragma once

#include <cstddef>
#include <functional>
#include <list>
#include <map>
#include <optional>

#include "common/base/asio.hpp"
#include "common/base/fd.hpp"
#include "common/transport/fair_pool.hpp"
#include "common/transport/idle_watch.hpp"
#include "remote-proxy/fronts/newcomer.hpp"

namespace tunnel {

// Bounds their number and their time; whoever is silent costs an entry here and nothing else. When
// there are too many, the address that has the most loses its oldest.
class HelloPool {
public:
    struct Hooks {
        // As many bytes as were waited for have come, or the stream has ended before. 0: the
        // newcomer has been taken; else it keeps its place until there are so many. The same number
        // again: neither is the case, and it is looked at a little later.
        std::function<std::size_t(Newcomer& newcomer, std::size_t waited_for)> on_more;
        // Another one has its place now.
        std::function<void(Newcomer newcomer)> pushed_out;
    };

    // Throws std::system_error if the system grants no epoll instance.
    explicit HelloPool(Hooks hooks) : hooks_(std::move(hooks)) {}

    // Before those are looked at once more that the kernel has told of too early, for the first
    // time; then twice as long each time.
    static constexpr Clock::duration patience = std::chrono::milliseconds(20);

    // Until the socket has so many bytes. They stay there.
    void wait(Newcomer newcomer, std::size_t bytes, std::size_t most);

    std::size_t size() const { return waiting_.size(); }

    // When the one that has waited longest came. nullopt: nobody waits.
    std::optional<Clock::time_point> oldest() const;

    // Calls on_more for those whose time it is.
    void look_again(Clock::time_point now);

    // When look_again() has something to do.
    std::optional<Clock::time_point> next_look() const;

    // Takes out one that came at `before` or earlier. nullopt: there is none.
    std::optional<Newcomer> expire(Clock::time_point before);

    // Calls on_more for some of those of which there is more. To be called while its descriptor is
    // readable.
    void work();

    int descriptor() const { return watch_.descriptor(); }

    // All are reset.
    void clear();

private:
    struct Waiting {
        Newcomer newcomer;
        IdleWatch::Wait wait = 0;
        std::size_t bytes = 0;                      // that it waits for
        std::optional<Clock::time_point> look_at{}; // it is not watched until then
        unsigned early_looks = 0;                   // in a row
        FairPool<Waiting>::Slot slot{};
        std::list<Waiting>::iterator place{};
    };

    void watch(std::list<Waiting>::iterator place, std::size_t bytes);
    void look(std::list<Waiting>::iterator place);
    Newcomer take(std::list<Waiting>::iterator place);

    const Hooks hooks_;
    IdleWatch watch_;
    std::list<Waiting> waiting_;                                           // by the time they came
    std::multimap<Clock::time_point, std::list<Waiting>::iterator> later_; // to be looked at
    FairPool<Waiting> by_address_;
};

} // namespace tunnel
