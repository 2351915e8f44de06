// Whether those are still there who have what others want.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/base/asio.hpp"
#include "remote-proxy/registry/contests.hpp"

namespace tunnel {

// An origin proxy keeps what it has as long as it answers, and nobody is kept waiting for one that
// does not. No I/O, no clock: whoever uses this sends the questions.
class Holders {
public:
    // What is to be done at a time.
    struct Due {
        std::vector<std::uint64_t> silent;   // have not answered, and others want what they have
        std::vector<std::uint64_t> unwanted; // have not answered, and nobody wants to know any more
        std::vector<std::uint64_t> to_ask;
        std::vector<Contender> to_consider; // who have waited for somebody to come back
    };

    // It has so long for an answer.
    void set_patience(Clock::duration patience) { patience_ = patience; }

    // The offer must wait until it is known whether the holder is still there, or comes back.
    // False: it is known already, or too many wait, so the offer is to be declined.
    bool must_wait(const Contender& who, const Contested& contested);

    // The offer does not wait any more.
    void leave(const Contender& who) { contests_.leave(who); }

    // A link is gone.
    void forget(std::uint64_t link);

    // False: it has been asked already, and has not answered yet.
    bool ask(std::uint64_t link, Clock::time_point now);

    bool is_asked(std::uint64_t link) const;

    // It has said something. The offers that are to be answered now; it keeps what it has, and is
    // asked again as long as somebody waits for that.
    std::vector<Contender> heard(std::uint64_t link, Clock::time_point now);

    // Nobody has the service any more: those who wait for it, or for its port, have their turn.
    void become_free(const RegisteredService& service);

    // Those who wait for one thing that has become free. nullopt: nothing has.
    std::optional<std::vector<Contender>> take_freed();

    bool has_freed() const { return !freed_.empty(); }

    // `log_ins_wait`: somebody who is not logged in yet waits for an answer, too.
    Due due(Clock::time_point now, bool log_ins_wait);

    // When due() has something to say.
    std::optional<Clock::time_point> next() const;

private:
    // At most one of the two is set.
    struct Question {
        std::optional<Clock::time_point> until{}; // asked: without an answer by then it is gone
        std::optional<Clock::time_point> again{}; // to be asked, if anybody still waits
    };

    Clock::duration patience_{};
    Contests contests_;
    std::map<std::uint64_t, Question> questions_; // by links
    std::deque<std::string> freed_;               // things that some wait for
};

} // namespace tunnel
