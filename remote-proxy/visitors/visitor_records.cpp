#include "remote-proxy/visitors/visitor_records.hpp"

#include <chrono>

#include "common/base/log.hpp"
#include "common/management/json_response.hpp"

namespace tunnel {

namespace {

// A single service needs no name.
std::string_view shown_name(const Visitor& visitor)
{
    const std::string& name = visitor.service_name();
    return name != default_service ? std::string_view(name) : std::string_view();
}

} // namespace

void VisitorRecords::note_begin(const Visitor& visitor)
{
    if (events_.is_heard())
        events_.publish("visitor_opened", to_line(Json{{"id", visitor.id},
                                                       {"address", visitor.address()},
                                                       {"service", visitor.service_name()}}));
}

void VisitorRecords::note_end(const Visitor& visitor, std::uint64_t up, std::uint64_t down,
                              const Reason& end, Blame blame)
{
    const auto duration = Clock::now() - visitor.arrived;
    log_visitor_end(visitor.address(), up, down, duration, end, shown_name(visitor), blame);
    publish_end(visitor, up, down, end);
}

void VisitorRecords::note_hand_back(const Visitor& visitor, std::uint64_t up, std::uint64_t down)
{
    log::debug("a visitor has no request under way", {{"visitor", visitor.address()},
                                                      {"service", visitor.service_name()},
                                                      {"up", log::Bytes{up}},
                                                      {"down", log::Bytes{down}}});
    publish_end(visitor, up, down, describe(End::handed_back, sides_of_remote));
}

void VisitorRecords::publish_end(const Visitor& visitor, std::uint64_t up, std::uint64_t down,
                                 const Reason& end)
{
    const auto duration = Clock::now() - visitor.arrived;
    if (!events_.is_heard())
        return;
    Json event{{"id", visitor.id},
               {"address", visitor.address()},
               {"service", visitor.service_name()},
               {"origin", nullptr},
               {"bytes_to_origin", up},
               {"bytes_to_visitor", down},
               {"seconds", std::chrono::duration<double>(duration).count()},
               {"code", name_of(end.code)},
               {"reason", end.text}};
    if (const OriginName* const origin = visitor.origin())
        event["origin"] = origin->shown();
    events_.publish("visitor_closed", to_line(event));
}

void VisitorRecords::note_refusal(const PublicService* service, std::string_view address,
                                  const Reason& reason, bool is_limit)
{
    if (!events_.is_heard())
        return;
    Json event{{"address", address},
               {"service", nullptr},
               {"code", name_of(reason.code)},
               {"reason", reason.text},
               {"limit", is_limit}};
    if (service != nullptr)
        event["service"] = service->visited->name;
    events_.publish("visitor_refused", to_line(event));
}

} // namespace tunnel
