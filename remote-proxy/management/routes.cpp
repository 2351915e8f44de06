#include "remote-proxy/management/routes.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "common/base/log.hpp"
#include "common/http/target.hpp"
#include "common/management/json_response.hpp"
#include "common/management/liveness.hpp"
#include "remote-proxy/management/managed.hpp"
#include "remote-proxy/management/management.hpp"
#include "remote-proxy/management/state_file.hpp"

namespace tunnel {

namespace {

// Whether a change outlives the program.
constexpr std::string_view kept_header = "Tunnel-Kept";

double seconds(Clock::duration duration)
{
    return std::chrono::duration<double>(duration).count();
}

Json to_json(const RemoteStatus::Service& service)
{
    return {{"name", service.name},
            {"outside", service.outside},
            {"from", name_of(service.from)},
            {"state", RemoteStatus::state_of(service)},
            {"reason", service.absence.empty() ? Json(nullptr) : Json(service.absence)},
            {"origins", service.served_by},
            {"visitors", service.visitors},
            {"visitors_total", service.counts.visitors},
            {"bytes_to_origin", service.counts.to_origin},
            {"bytes_to_visitor", service.counts.to_visitor}};
}

Json to_json(const RemoteStatus::Origin& origin)
{
    Json json{{"name", origin.name},
              {"address", origin.address},
              {"version", origin.version},
              {"encrypted", origin.encrypted},
              {"state", origin.drained ? "drained" : "open"},
              {"seconds", seconds(origin.age)},
              {"round_trip_seconds", nullptr},
              {"services", origin.services},
              {"visitors", origin.visitors},
              {"parked", origin.parked}};
    if (origin.round_trip)
        json["round_trip_seconds"] = seconds(*origin.round_trip);
    return json;
}

Json to_json(const VisitorStatus& visitor)
{
    Json json{{"id", visitor.id},
              {"address", visitor.address},
              {"service", visitor.service},
              {"origin", nullptr},
              {"state", visitor.is_relayed ? "served" : "waiting"},
              {"seconds", seconds(visitor.age)},
              {"bytes_to_origin", visitor.to_origin},
              {"bytes_to_visitor", visitor.to_visitor}};
    if (!visitor.origin.empty())
        json["origin"] = visitor.origin;
    return json;
}

constexpr auto as_json = [](const auto& each) { return to_json(each); };

std::optional<std::uint64_t> id_of(std::string_view text)
{
    std::uint64_t id = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
    if (error != std::errc() || end != text.data() + text.size() || id == 0)
        return std::nullopt;
    return id;
}

// The third segment of the path.
const std::string& named_in(const Request& request)
{
    return request.segments.at(2);
}

std::uint64_t visitor_in(const Request& request)
{
    const auto id = id_of(named_in(request));
    if (!id)
        throw SteeringError(404, "visitors have numbers");
    return *id;
}

class Routes {
public:
    explicit Routes(Managed managed) : managed_(std::move(managed)) {}

    Response clients() const
    {
        Json all = Json::object();
        for (const auto& [name, client] : proxy().clients()) {
            constexpr const char* here = "ClientConnected";
            constexpr const char* gone = "ClientDisconnected";
            all[name] = {{"CurrentState", client.is_here ? here : gone},
                         {"LastState", !client.is_here   ? here
                                       : client.has_left ? gone
                                                         : "ClientUnknown"}};
        }
        return json_response(all);
    }

    Response tunnels() const { return json_response(to_json(proxy().saved_state().tunnels)); }

    Response put_tunnels(const Request& request)
    {
        std::vector<PublicTunnel> wanted = parse_tunnels(parse_json(request.body));
        try {
            proxy().actions().set_tunnels(wanted);
        } catch (const SteeringError& error) {
            if (error.rest() == SteeringError::Rest::unchanged)
                throw;
            return changed(refusal(error.status(), error.what()));
        }
        return changed(json_response(to_json(wanted)));
    }

    Response status() const
    {
        const RemoteStatus status = proxy().status();
        const Response ready = readiness(status);
        return json_response({{"program", "remote-proxy"},
                              {"version", TUNNEL_VERSION},
                              {"ready", ready.status == 200},
                              {"stopping", status.stopping},
                              {"visitors", proxy().visitors()},
                              {"waiting", status.waiting},
                              {"parked", status.parked},
                              {"origins", status.origins.size()},
                              {"services", status.services.size()},
                              {"log_ins", status.counts.log_ins},
                              {"kept", kept()}});
    }

    Response services(const Request& request) const
    {
        return page_of_named("services", proxy().status().services, request, as_json);
    }

    Response origins(const Request& request) const
    {
        return page_of_named("origins", proxy().status().origins, request, as_json);
    }

    Response service(const Request& request) const
    {
        const std::string& name = named_in(request);
        return one_of_named(proxy().status().services, proxy().service_meant(name).value_or(name),
                            as_json);
    }

    Response origin(const Request& request) const
    {
        const std::string& name = named_in(request);
        std::vector<RemoteStatus::Origin> all = proxy().status().origins;
        const auto is_meant = [&name](const RemoteStatus::Origin& each) {
            return each.name == name || each.identity == name || each.credential == name;
        };
        std::erase_if(all, [&](const RemoteStatus::Origin& each) { return !is_meant(each); });
        const auto exact = std::ranges::find(all, name, &RemoteStatus::Origin::name);
        if (exact != all.end())
            return json_response(to_json(*exact));
        if (all.size() > 1)
            return refusal(404, fmt::format("{} origin proxies go by that name, such as {}: name "
                                            "one of them, with %2F for the slash",
                                            all.size(), all.front().name));
        return all.empty() ? no_such(name) : json_response(to_json(all.front()));
    }

    Response visitors(const Request& request) const
    {
        const auto asked = page_of(request);
        if (const auto* const wrong = std::get_if<Response>(&asked))
            return *wrong;
        const Page& page = std::get<Page>(asked);
        const auto after = page.after_number();
        if (!after)
            return refusal(400, "after is the number of a visitor");
        const VisitorFilter filter{query_value(request.query, "service"),
                                   query_value(request.query, "origin")};
        auto found = proxy().visitors_after(*after, page.limit + 1, filter);
        std::optional<std::string> next;
        if (found.size() > page.limit) {
            found.pop_back();
            next = std::to_string(found.back().id);
        }
        Json entries = Json::array();
        for (const VisitorStatus& each : found)
            entries.push_back(to_json(each));
        return json_response(list("visitors", std::move(entries), next));
    }

    Response visitor(const Request& request) const
    {
        const std::uint64_t id = visitor_in(request);
        const auto found = proxy().visitors_after(id - 1, 1, {});
        if (found.empty() || found.front().id != id)
            return no_such(named_in(request));
        return json_response(to_json(found.front()));
    }

    Response drain_service(const Request& request, bool drained)
    {
        proxy().actions().drain_service(named_in(request), drained);
        return changed(service_now(request));
    }

    Response close_service(const Request& request)
    {
        proxy().actions().close_service(named_in(request));
        return changed(service_now(request));
    }

    // A service that is gone can be resumed, since it may come back, and closed, since visitors may
    // have stayed.
    Response service_now(const Request& request) const
    {
        const Response now = service(request);
        if (now.status == 200)
            return now;
        return json_response({{"name", named_in(request)}, {"state", "closed"}});
    }

    Response drain_origin(const Request& request, bool drained)
    {
        proxy().actions().drain_origin(named_in(request), drained);
        return changed(
            json_response({{"name", named_in(request)}, {"state", drained ? "drained" : "open"}}));
    }

    Response close_origin(const Request& request)
    {
        proxy().actions().close_origin(named_in(request));
        return json_response({{"name", named_in(request)}, {"state", "closed"}});
    }

    Response close_visitor(const Request& request)
    {
        const std::uint64_t id = visitor_in(request);
        proxy().actions().close_visitor(id);
        return json_response({{"id", id}, {"state", "closed"}});
    }

    Response reload()
    {
        Response response;
        response.later = [this] { return reload_and_keep(); };
        return response;
    }

    Response events() const
    {
        Response response;
        response.events = proxy().events().listen();
        if (!response.events)
            return refusal(503, fmt::format("{} listen already", EventHub::most_listeners));
        return response;
    }

private:
    ManagedProxy& proxy() const { return managed_.proxy; }

    awaitable<Response> reload_and_keep()
    {
        Response answer = co_await answer_reload(managed_.reload);
        if (answer.status == 200) // a tunnel may have given way
            answer = changed(std::move(answer));
        if (!answer.later)
            co_return answer;
        const auto later = std::move(answer.later);
        answer = co_await later();
        co_return answer;
    }

    std::string_view kept() const { return managed_.state != nullptr ? "state-file" : "this-run"; }

    // The answer to a change, sent once the change is on disk.
    Response changed(Response answer) const
    {
        answer.headers.emplace_back(kept_header, kept());
        StateFile* const state = managed_.state;
        if (state == nullptr)
            return answer;
        Response later;
        later.later = [state, kept = proxy().saved_state(), answer]() -> awaitable<Response> {
            std::string failure;
            try {
                co_await state->write(kept);
            } catch (const std::system_error& error) {
                if (error.code() == asio::error::operation_aborted)
                    throw;
                failure = error.what();
            }
            if (failure.empty())
                co_return answer;
            log::error("a change is not kept",
                       {{"code", name_of(Code::not_saved)}, {"reason", failure}});
            co_return refusal(507,
                              fmt::format("done, but only until the program ends: {}", failure));
        };
        return later;
    }

    Managed managed_;
};

using Answering = std::function<Response(const Request&)>;

// Turns an impossible action into its answer.
Answering guarded(Answering answer)
{
    return [answer = std::move(answer)](const Request& request) {
        try {
            return answer(request);
        } catch (const SteeringError& error) {
            return refusal(error.status(), error.what());
        }
    };
}

} // namespace

Router remote_management(Managed managed, std::shared_ptr<const ProcessMetrics> process)
{
    ManagedProxy& proxy = managed.proxy;
    Router router = status_router([&proxy] { return readiness(proxy.status()); },
                                  [&proxy](Metrics& metrics) {
                                      add_metrics(proxy.status(), metrics);
                                      add_turns(proxy.take_longest_turns(), metrics);
                                  },
                                  std::move(process));
    const auto routes = std::make_shared<Routes>(std::move(managed));
    const auto get = [&router](std::string_view path, Answering answer) {
        router.add(Method::get, path, guarded(std::move(answer)));
    };
    const auto post = [&router](std::string_view path, Answering answer) {
        router.add(Method::post, path, guarded(std::move(answer)));
    };
    get("/clients", [routes](const Request&) { return routes->clients(); });
    get("/tunnels", [routes](const Request&) { return routes->tunnels(); });
    router.add(Method::put, "/tunnels",
               guarded([routes](const Request& request) { return routes->put_tunnels(request); }));
    get("/v1/status", [routes](const Request&) { return routes->status(); });
    get("/v1/services", [routes](const Request& request) { return routes->services(request); });
    get("/v1/services/{name}",
        [routes](const Request& request) { return routes->service(request); });
    get("/v1/origins", [routes](const Request& request) { return routes->origins(request); });
    get("/v1/origins/{name}", [routes](const Request& request) { return routes->origin(request); });
    get("/v1/visitors", [routes](const Request& request) { return routes->visitors(request); });
    get("/v1/visitors/{id}", [routes](const Request& request) { return routes->visitor(request); });
    get("/v1/events", [routes](const Request&) { return routes->events(); });
    post("/v1/reload", [routes](const Request&) { return routes->reload(); });
    post("/v1/services/{name}/drain",
         [routes](const Request& request) { return routes->drain_service(request, true); });
    post("/v1/services/{name}/resume",
         [routes](const Request& request) { return routes->drain_service(request, false); });
    post("/v1/services/{name}/close",
         [routes](const Request& request) { return routes->close_service(request); });
    post("/v1/origins/{name}/drain",
         [routes](const Request& request) { return routes->drain_origin(request, true); });
    post("/v1/origins/{name}/resume",
         [routes](const Request& request) { return routes->drain_origin(request, false); });
    post("/v1/origins/{name}/close",
         [routes](const Request& request) { return routes->close_origin(request); });
    post("/v1/visitors/{id}/close",
         [routes](const Request& request) { return routes->close_visitor(request); });
    return router;
}

} // namespace tunnel
