// When to try to log in again, and what the log says of control connections that end.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "common/base/asio.hpp"
#include "common/base/backoff.hpp"
#include "common/base/code.hpp"
#include "common/base/log.hpp"
#include "common/base/repeated_failure.hpp"

namespace tunnel {

// Without clock and sockets. It is told of each log-in and of each end.
class RetryPolicy {
public:
    struct Options {
        std::chrono::milliseconds first_retry;
        std::chrono::milliseconds slowest_retry;
        Clock::duration healthy_spell; // a connection that lived so long starts the back-off anew
    };

    // How an attempt to log in, or the control connection that it came to, ended.
    struct End {
        bool logged_in; // there was a log-in
        Reason reason;  // as this side knows it
        Reason goodbye; // what the remote proxy said; empty: nothing
        Clock::duration lived;
    };

    struct Decision {
        std::optional<Clock::duration> retry_in; // none: no retries are left
        log::Level level;
        std::string_view message;
        Reason reason;
        std::uint64_t failures; // that follow each other, this one included
        log::Limit limit;
    };

    explicit RetryPolicy(const Options& options);

    // The remote proxy has said welcome. Answers how many attempts had failed before.
    std::uint64_t logged_in();

    // `max_retries` is how many may follow each other without a log-in; none: no limit. `random` is
    // uniform over all its values.
    Decision ended(const End& end, std::optional<std::uint32_t> max_retries, Clock::time_point now,
                   std::uint32_t random);

    // The next attempt is made at once, since somebody asked for it: the back-off starts anew.
    void retried_on_request() { backoff_.reset(); }

    // After the last retry: there are as many as at the start again.
    void start_over();

private:
    Clock::duration healthy_spell_;
    Backoff backoff_;
    std::uint32_t retries_ = 0; // since the last log-in
    RepeatedFailure failed_log_ins_;
    RepeatedFailure short_log_ins_{3}; // connections that were lost soon
};

} // namespace tunnel
