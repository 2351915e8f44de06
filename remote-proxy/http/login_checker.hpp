// Checks the logins of visitors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/asio.hpp"
#include "common/http/logins.hpp"
#include "common/security/key.hpp"
#include "common/transport/cidr.hpp"
#include "common/transport/fair_pool.hpp"
#include "remote-proxy/http/known_logins.hpp"
#include "remote-proxy/http/login_attempts.hpp"
#include "remote-proxy/http/password_hash.hpp"

namespace tunnel {

// A password takes a thread long by design, so there is one that does only this, and addresses take
// turns. Right ones are remembered for ten minutes, wrong ones count against their address. Not
// thread-safe: it belongs to the thread of the io_context.
class LoginChecker {
public:
    static constexpr std::size_t most_waiting = 64; // logins; many requests may wait for the same

    enum class Outcome : std::uint8_t {
        let_in,
        refused,  // no login, a wrong one, or none that can be read: 401
        too_many, // too many wrong ones from this address: 429
        busy,     // too many wait, or it cannot be checked: 503
    };

    struct Result {
        Outcome outcome = Outcome::refused;
        std::string user{};                  // let in: who it is
        std::chrono::seconds retry_after{0}; // too_many: when the next one is looked at
    };

    struct Request {
        std::shared_ptr<const Logins> logins;
        asio::ip::address from;
        std::string_view authorization; // the header's value, empty: none; read before it returns
    };

    // Not called in check() itself.
    using Done = std::function<void(Result)>;

    // Names a check, for cancel().
    using Id = std::uint64_t;

    // The thread starts with the first password.
    explicit LoginChecker(asio::io_context& io);

    LoginChecker(const LoginChecker&) = delete;
    LoginChecker& operator=(const LoginChecker&) = delete;

    // As stop().
    ~LoginChecker();

    // What needs no thread: that there is no login, that it is remembered as right, that it is not
    // looked at now. nullopt: check() will tell.
    std::optional<Result> known(const Request& request, Clock::time_point now);

    // Calls `done` later from `io`, once, but not after cancel() or stop().
    Id check(const Request& request, Clock::time_point now, Done done);

    // Whoever asked has left. Nothing happens if `done` has been called.
    void cancel(Id id);

    // Those whose `done` has not been called.
    std::size_t size() const { return callers_.size(); }

    // Logins that are remembered as right.
    std::size_t remembered() const { return known_.size(); }

    // Drops all, without a call, and waits for the thread, which takes no longer than one password.
    void stop();

private:
    class Thread;
    struct Job;
    struct Check;
    struct Login;

    using Place = std::list<Check>::iterator;

    struct Caller {
        Done done;
        std::optional<Place> check; // nullopt: its result is on its way
    };

    std::optional<Login> read(const Request& request) const;
    std::optional<Result> known(const Login& login, const asio::ip::address& from,
                                Clock::time_point now);
    bool make_room(const asio::ip::address& address);
    Place enqueue(Login login, const asio::ip::address& from, Clock::time_point now);
    void begin_next();
    void finish(Place check, PasswordIs password_is);
    void drop(Place check);
    void leave_queue(Place check);
    void answer_all(Place check, const Result& result);
    void answer(Id id, Result result);

    asio::io_context& io_;
    std::unique_ptr<Thread> thread_;
    std::shared_ptr<bool> lives_ = std::make_shared<bool>(); // for handlers that were posted
    const Key cache_key_;                                    // of this run
    KnownLogins known_;
    LoginAttempts attempts_;
    std::list<Check> checks_;
    std::map<Mac, Place> by_login_;
    FairPool<Check> by_address_;                // those that wait
    std::map<Cidr, std::deque<Place>> waiting_; // the same; none is empty
    std::deque<Cidr> turns_;                    // the keys of the same
    std::map<Id, Caller> callers_;
    Id latest_ = 0;
    bool is_checking_ = false;
    bool stopped_ = false;
};

} // namespace tunnel
