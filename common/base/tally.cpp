#include "common/base/tally.hpp"

#include "common/base/log.hpp"

namespace tunnel {

void Tally::count(std::string_view peer, std::string_view reason, Code code, Clock::time_point now)
{
    ++total_;
    ++unwritten_;
    last_peer_ = peer;
    last_reason_ = reason;
    last_code_ = code;
    flush(now);
}

std::optional<Clock::time_point> Tally::due() const
{
    if (unwritten_ == 0 || !last_line_)
        return std::nullopt;
    return *last_line_ + interval_;
}

void Tally::flush(std::optional<Clock::time_point> now)
{
    if (unwritten_ == 0 || (now && last_line_ && *now < *last_line_ + interval_))
        return;
    log::warn(message_, {{"count", unwritten_},
                         {"total", total_},
                         {"peer", last_peer_},
                         {"code", name_of(last_code_)},
                         {"reason", last_reason_}});
    unwritten_ = 0;
    if (now)
        last_line_ = *now;
}

} // namespace tunnel
