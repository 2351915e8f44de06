#include "common/relay/describe.hpp"

#include <fmt/format.h>

#include "common/base/log.hpp"

namespace tunnel {

Reason describe(End end, const Sides& sides)
{
    switch (end) {
    case End::finished:
    case End::handed_back:
        return {Code::closed, "closed"};
    case End::first_failed:
        return {sides.first_reset, fmt::format("reset by the {}", sides.first)};
    case End::second_failed:
        return {sides.second_reset, fmt::format("reset by the {}", sides.second)};
    case End::half_close_timeout:
        return {Code::half_close_timeout, "half-close timeout"};
    case End::idle_timeout:
        return {Code::idle_timeout, "idle timeout"};
    case End::stopped:
        return {Code::shutting_down, "cut by the shutdown"};
    case End::cut_off:
        return {Code::not_trusted, "cut off, no longer trusted"};
    case End::refused:
        return {Code::origin_refused, fmt::format("refused by the {}", sides.second)};
    case End::start_timeout:
        return {Code::late, fmt::format("no answer from the {}", sides.second)};
    case End::forbidden:
        return {Code::foreign_proxy_header,
                fmt::format("the {} began with a header of the PROXY protocol", sides.first)};
    case End::not_opened:
        return {Code::failed, fmt::format("there was no {}", sides.first)};
    case End::not_started:
        return {Code::data_connection_lost,
                fmt::format("lost the {} before it began", sides.second)};
    }
    return {Code::failed, "unknown"};
}

void log_visitor_end(std::string_view visitor, std::uint64_t up, std::uint64_t down,
                     std::chrono::steady_clock::duration duration, const Reason& end,
                     std::string_view service, Blame blame)
{
    const bool is_served = (up > 0 && down > 0) || end.code == Code::closed;
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
    const bool is_orderly = end.code == Code::closed;
    write({who,
           {service.empty() ? "" : "service", service},
           {"up", log::Bytes{up}},
           {"down", log::Bytes{down}},
           {"duration", duration},
           {is_orderly ? "" : "code", name_of(end.code)},
           {"end", end.text}});
}

} // namespace tunnel
