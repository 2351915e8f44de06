#include "origin-proxy/link/retry_policy.hpp"

#include "common/protocol/goodbyes.hpp"

namespace tunnel {

RetryPolicy::RetryPolicy(const Options& options)
    : healthy_spell_(options.healthy_spell), backoff_(options.first_retry, options.slowest_retry)
{
}

std::uint64_t RetryPolicy::logged_in()
{
    const std::uint64_t failures = failed_log_ins_.failures();
    failed_log_ins_.recovered();
    retries_ = 0;
    return failures;
}

RetryPolicy::Decision RetryPolicy::ended(const End& end, std::optional<std::uint32_t> max_retries,
                                         Clock::time_point now, std::uint32_t random)
{
    Decision decision{std::nullopt,
                      log::Level::error,
                      end.logged_in ? "lost the remote proxy" : "cannot log in to the remote proxy",
                      end.reason,
                      0,
                      log::Limit::by_peer};
    if (max_retries && retries_++ >= *max_retries)
        return decision;
    const bool was_healthy = end.lived >= healthy_spell_;
    if (end.logged_in && was_healthy)
        backoff_.reset();
    decision.retry_in = backoff_.next(random);
    if (was_healthy)
        short_log_ins_.recovered();
    RepeatedFailure& series = end.logged_in ? short_log_ins_ : failed_log_ins_;
    const bool is_logged = series.happened(end.reason.text, now);
    decision.failures = series.failures();
    const bool is_stopping = end.goodbye.text == remote_is_stopping;
    if (is_stopping && end.logged_in)
        decision.message = "remote proxy left";
    if (!end.goodbye.empty())
        decision.reason = end.goodbye;
    decision.level = is_stopping ? log::Level::info : log::Level::warn;
    if (!is_logged) { // one that comes again and again is a detail, but for now and then
        decision.level = log::Level::debug;
        decision.limit = log::Limit::none;
    }
    return decision;
}

void RetryPolicy::start_over()
{
    backoff_.reset();
    retries_ = 0;
}

} // namespace tunnel
