// An outside address, and the services that are reached there.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "common/base/asio.hpp"
#include "common/transport/host_table.hpp"
#include "common/transport/listener.hpp"
#include "remote-proxy/visitors/service.hpp"

namespace tunnel {

struct Front {
    enum class Kind : std::uint8_t {
        own,  // of one service, or of tunnels with names; it goes with the last of them
        tls,  // of all services of the kinds tls and https; it stays
        http, // of all services of the kind http; it stays
    };

    Front(const asio::any_io_executor& executor, Kind its_kind, Listener its_listener)
        : kind(its_kind), listener(std::move(its_listener)), changed(executor)
    {
    }

    // The service of all visitors, if their first bytes do not matter: so servers that speak first
    // can have it. Null: visitors say which one they want.
    const ServicePointer* only() const
    {
        const ServicePointer* const all = routes.size() == 1 ? routes.at("*") : nullptr;
        return all != nullptr && !(*all)->options.is_http() ? all : nullptr;
    }

    // The service of all visitors, whatever they say. Null: there is none, or several.
    const PublicService* owner() const
    {
        const ServicePointer* const all = routes.size() == 1 ? routes.at("*") : nullptr;
        return all != nullptr && kind == Kind::own ? all->get() : nullptr;
    }

    // Its visitors speak HTTP without TLS.
    bool speaks_http() const
    {
        if (kind != Kind::own)
            return kind == Kind::http;
        const ServicePointer* const all = routes.at("*");
        return all != nullptr && (*all)->options.speaks_http;
    }

    const Kind kind;
    Listener listener;
    HostTable<ServicePointer> routes{};
    std::optional<Clock::time_point> full_since{}; // since when visitors cannot be accepted
    Signal changed;                                // the listener was opened, shut or closed
    bool retired = false;                          // no more visitors, ever
};

using FrontPointer = std::shared_ptr<Front>;

} // namespace tunnel
