#include "common/relay/describe.hpp"

#include <fmt/format.h>

#include "common/base/log.hpp"

namespace tunnel {

std::string describe(End end, std::string_view first, std::string_view second)
{
    switch (end) {
    case End::finished:
        return "finished";
    case End::first_failed:
        return fmt::format("reset by the {}", first);
    case End::second_failed:
        return fmt::format("reset by the {}", second);
    case End::half_close_timeout:
        return "half-close timeout";
    case End::idle_timeout:
        return "idle timeout";
    case End::stopped:
        return "cut by the shutdown";
    case End::cut_off:
        return "cut off, no longer trusted";
    case End::refused:
        return fmt::format("refused by the {}", second);
    case End::start_timeout:
        return fmt::format("no answer from the {}", second);
    case End::forbidden:
        return fmt::format("the {} began as it must not", first);
    case End::not_started:
        return fmt::format("lost the {} before it began", second);
    }
    return "unknown";
}

void log_visitor_end(std::string_view visitor, std::uint64_t up, std::uint64_t down,
                     std::chrono::steady_clock::duration duration, std::string_view how,
                     std::string_view service, Blame blame)
{
    const bool is_served = (up > 0 && down > 0) || how == describe(End::finished, {}, {});
    const auto write = [&](log::Fields fields) {
        constexpr std::string_view message = "visitor ended";
        // Of those who were served each is written: users count them, and look for the one that
        // they miss. The others cost nothing to make, so they have a budget.
        if (is_served && blame == Blame::nobody)
            log::info(message, fields, log::Limit::none);
        else if (is_served)
            log::warn_or_info(message, fields, service);
        else
            log::write(blame == Blame::nobody ? log::Level::info : log::Level::warn, message,
                       fields);
    };
    log::Field who("visitor", visitor);
    who.peer = service.empty() ? "the one service" : service; // and not the visitor's address
    if (service.empty())
        write({who,
               {"up", log::Bytes{up}},
               {"down", log::Bytes{down}},
               {"duration", duration},
               {"end", how}});
    else
        write({who,
               {"service", service},
               {"up", log::Bytes{up}},
               {"down", log::Bytes{down}},
               {"duration", duration},
               {"end", how}});
}

} // namespace tunnel
