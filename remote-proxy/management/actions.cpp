#include "remote-proxy/management/actions.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "common/base/error.hpp"
#include "common/base/log.hpp"

#include "remote-proxy/registry/service_plan.hpp"

namespace tunnel {

Actions::Actions(Uses uses)
    : state_(uses.state),
      links_(uses.links),
      services_(uses.services),
      tunnels_(uses.tunnels),
      visitors_(uses.visitors)
{
}

// What another process has been told already must not change here.
void Actions::must_be_possible() const
{
    if (state_.handing_over || state_.leaving)
        throw SteeringError(503, "another process takes over: ask again");
}

// ---- Services

RegisteredServicePointer Actions::service_named(const std::string& name) const
{
    const ServiceList& present = services_.registry().services();
    if (const auto meant = present.meant_by(name))
        return present.find(*meant);
    std::string offered;
    for (const auto& [key, service] : present) {
        if (service->owner && service->options.offer() == name)
            offered += (offered.empty() ? "" : ", ") + key;
    }
    const std::string escaped = log::escape(name);
    throw SteeringError(
        404, offered.empty() ? fmt::format("there is no service \"{}\"", escaped)
                             : fmt::format("several origin proxies offer \"{}\": name one of {}",
                                           escaped, offered));
}

// For a service that is gone and may come back. Whether the name is known.
bool Actions::resume_departed(const std::string& name)
{
    const ServiceList& present = services_.registry().services();
    const bool is_here = std::ranges::any_of(present, [&name](const auto& entry) {
        return entry.second->owner && entry.second->options.offer() == name;
    });
    return !present.meant_by(name) && services_.saved().resume_departed_service(name, !is_here);
}

void Actions::drain_service(const std::string& name, bool drained)
{
    must_be_possible();
    if (!drained && resume_departed(name))
        return;
    const RegisteredServicePointer service = service_named(name);
    if (service->drained == drained)
        return;
    const std::string lasting = service->lasting_name();
    if (drained)
        services_.saved().drain_service(lasting);
    try {
        services_.set_drained(service, drained);
    } catch (const std::system_error& error) {
        cannot_listen(error);
    }
    log::info(drained ? "service drained" : "service resumed",
              {{"service", service->options.name}});
    if (!drained)
        services_.saved().resume_service(lasting);
}

void Actions::close_service(const std::string& meant)
{
    const ServiceList& present = services_.registry().services();
    const std::string name = present.meant_by(meant).value_or(meant);
    const auto is_its = [&name](const Visitor& visitor) { return visitor.service_name() == name; };
    // A service that is gone may still have visitors.
    const bool is_left = visitors_.served().any(is_its);
    if (present.find(name) || !is_left)
        drain_service(name, true);
    visitors_.served().end(is_its);
    visitors_.end_waiting(is_its);
}

// ---- Origin proxies

void Actions::drain_origin(const std::string& name, bool drained)
{
    must_be_possible();
    const std::vector<OriginLink*> links = links_.named(name);
    if (links.empty() && !(!drained && services_.saved().drained_origins.contains(name)))
        throw SteeringError(404, fmt::format("there is no origin proxy \"{}\"", log::escape(name)));
    if (drained) {
        services_.saved().drain_origin(name);
    } else {
        std::vector<const OriginName*> here;
        for (const OriginLink* const link : links)
            here.push_back(link->name.get());
        services_.saved().resume_origin(name, here);
    }
    for (OriginLink* const link : links)
        services_.set_drained(*link, drained);
}

void Actions::close_origin(const std::string& name)
{
    must_be_possible();
    const std::vector<OriginLink*> links = links_.named(name);
    if (links.empty())
        throw SteeringError(404, fmt::format("there is no origin proxy \"{}\"", log::escape(name)));
    for (OriginLink* const link : links) {
        link->connection.finish({Code::closed_by_management, std::string(management_closed_it)});
        const std::uint64_t number = link->number;
        services_.drop(*link);
        visitors_.end_pairing(number); // its data connection is there
    }
    visitors_.served().end([&name](const Visitor& visitor) {
        const OriginName* const origin = visitor.origin();
        return origin != nullptr && origin->answers_to(name);
    });
}

void Actions::close_visitor(std::uint64_t id)
{
    if (!visitors_.end(id))
        throw SteeringError(404, fmt::format("there is no visitor {}", id));
}

} // namespace tunnel
