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
      saved_(uses.saved),
      links_(uses.links),
      table_(uses.table),
      services_(table_.all()),
      offers_(uses.offers),
      tunnels_(uses.tunnels),
      visitors_(uses.visitors),
      alarm_(uses.alarm)
{
}

// ---- Services

ServicePointer Actions::service_named(const std::string& name) const
{
    const auto meant = table_.meant_by(name);
    if (meant)
        return services_.at(*meant);
    std::string offered;
    for (const auto& [key, service] : services_) {
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
    const bool is_here = std::ranges::any_of(services_, [&name](const auto& entry) {
        return entry.second->owner && entry.second->options.offer() == name;
    });
    return saved_.resume_departed_service(name, !is_here);
}

void Actions::drain_service(const std::string& name, bool drained)
{
    if (!drained && !table_.meant_by(name) && resume_departed(name))
        return;
    const ServicePointer service = service_named(name);
    if (service->drained == drained)
        return;
    const std::string lasting = service->lasting_name();
    if (drained)
        saved_.drain_service(lasting);
    if (!drained && service->is_served() && !state_.stopping) {
        try {
            service->outside.open();
        } catch (const std::system_error& error) {
            cannot_listen(error);
        }
    }
    service->drained = drained;
    log::info(drained ? "service drained" : "service resumed", {{"service", *service->name}});
    if (!drained) {
        saved_.resume_service(lasting);
        table_.begin_again(*service);
        return;
    }
    // Visitors who have connected already came before the drain.
    visitors_.admission().accept_connected(service);
    service->outside.shut();
}

void Actions::close_service(const std::string& meant)
{
    const std::string name = table_.meant_by(meant).value_or(meant);
    const auto is_its = [&name](const Visitor& visitor) { return *visitor.service_name == name; };
    // A service that is gone may still have visitors.
    const bool is_left = visitors_.served().any(is_its);
    if (services_.contains(name) || !is_left)
        drain_service(name, true);
    visitors_.served().end(is_its);
    visitors_.end_waiting(is_its);
}

// ---- Origin proxies

void Actions::drain_origin(const std::string& name, bool drained)
{
    const std::vector<OriginLink*> links = links_.named(name);
    if (links.empty() && !(!drained && saved_.drained_origins.contains(name)))
        throw SteeringError(404, fmt::format("there is no origin proxy \"{}\"", log::escape(name)));
    if (drained) {
        saved_.drain_origin(name);
    } else {
        std::vector<const OriginName*> here;
        for (const OriginLink* const link : links)
            here.push_back(link->name.get());
        saved_.resume_origin(name, here);
    }
    for (OriginLink* const link : links) {
        if (std::exchange(link->drained, drained) != drained)
            apply_drain(*link);
    }
}

void Actions::apply_drain(OriginLink& link)
{
    log::info(link.drained ? "origin proxy drained" : "origin proxy resumed", {log_name(link)});
    for (const ServicePointer& service : table_.served_by(link)) {
        try {
            if (!link.drained) {
                table_.attach(*service, link);
            } else if (!service->is_served()) { // none is left, and none is waited for
                service->outage_ends = Clock::now();
                alarm_.ring_by(*service->outage_ends);
            }
        } catch (const std::system_error& error) {
            log::error("a service cannot be opened again",
                       {{"service", *service->name},
                        {"code", name_of(code_of(error.code()))},
                        {"reason", error.what()}});
        }
    }
}

void Actions::close_origin(const std::string& name)
{
    const std::vector<OriginLink*> links = links_.named(name);
    if (links.empty())
        throw SteeringError(404, fmt::format("there is no origin proxy \"{}\"", log::escape(name)));
    for (OriginLink* const link : links) {
        link->connection.finish({Code::closed_by_management, std::string(management_closed_it)});
        const std::uint64_t number = link->number;
        offers_.drop(*link);
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
