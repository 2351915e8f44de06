#include "remote-proxy/fronts/http_gateway.hpp"

#include <utility>

#include "common/base/log.hpp"
#include "common/transport/socket.hpp"
#include "remote-proxy/http/access_log.hpp"
#include "remote-proxy/visitors/http_failures.hpp"

namespace tunnel {

namespace {

OwnAnswer answer_to_refusal(Refusal refusal)
{
    using namespace std::chrono_literals;
    switch (refusal) {
    case Refusal::denied:
    case Refusal::not_allowed:
        return {403, Code::not_allowed, "this address is not let in"};
    case Refusal::too_many:
        return {503, Code::too_many, "too many visitors are here", 5s};
    case Refusal::too_many_per_ip:
    case Refusal::too_many_new_per_ip:
        break;
    }
    return {429, Code::too_many, "too many connections come from this address", 5s};
}

OwnAnswer nobody_serves_it()
{
    return answer_to({Code::late, "no origin proxy serves it"});
}

} // namespace

HttpGateway::HttpGateway(Uses uses) : uses_(uses), logins_(uses.io) {}

// Null: there is none.
const ServicePointer* HttpGateway::service_at(const HttpVisitorInfo& visitor,
                                              std::string_view host) const
{
    const ServicePointer* const found = visitor.front->routes.find(host);
    return found != nullptr && (*found)->options.is_http() ? found : nullptr;
}

HostKnown HttpGateway::find(const HttpVisitorInfo& visitor, std::string_view host) const
{
    const bool has_service = service_at(visitor, host) != nullptr;
    const bool is_plain = visitor.front->kind == Front::Kind::http;
    if (!is_plain || (has_service && !uses_.options.fronts.https_redirect))
        return {has_service ? HostKnown::By::http : HostKnown::By::nobody};
    const PublicService* const at_tls = uses_.fronts.find_tls(host);
    const bool is_https = at_tls != nullptr && at_tls->options.names.kind == ServiceKind::https;
    if (is_https)
        return {HostKnown::By::https};
    if (has_service)
        return {HostKnown::By::http};
    return {at_tls != nullptr ? HostKnown::By::tls : HostKnown::By::nobody};
}

void HttpGateway::pass_on(HttpClient client, const std::string& bytes, const RequestHead& head)
{
    const ServicePointer service = *service_at(client.info, head.host);
    if (uses_.state.stopping || service->retired || !uses_.fronts.is_open(*service))
        return refuse(std::move(client), *service, asked(head), nobody_serves_it());
    if (auto logins = logins_of(*service))
        return check_login(std::move(client), service, bytes, head, std::move(logins));
    let_in(std::move(client), service, bytes, head, {});
}

// Null: everybody may come.
std::shared_ptr<const Logins> HttpGateway::logins_of(PublicService& service)
{
    const std::vector<std::string>& lines = service.registered->http.logins;
    if (lines.empty())
        return nullptr;
    if (service.login_lines != lines) {
        service.logins = std::make_shared<const Logins>(Logins::of_lines(lines));
        service.login_lines = lines;
    }
    return service.logins;
}

void HttpGateway::check_login(HttpClient client, const ServicePointer& service,
                              const std::string& bytes, const RequestHead& head,
                              std::shared_ptr<const Logins> logins)
{
    const LoginChecker::Request request{std::move(logins), client.info.peer.address(),
                                        head.authorization};
    const auto now = Clock::now();
    if (const auto known = logins_.known(request, now))
        return on_login(std::move(client), service, bytes, head, *known);
    if (logins_.size() >= uses_.capacity.http_answers())
        return refuse(std::move(client), *service, asked(head), logins_are_busy());
    // std::function wants to be copied.
    const auto kept = std::make_shared<HttpClient>(std::move(client));
    logins_.check(request, now, [this, kept, service, bytes](const LoginChecker::Result& result) {
        const auto parsed = parse_request_head(bytes);
        on_login(std::move(*kept), service, bytes, std::get<RequestHead>(parsed), result);
    });
}

void HttpGateway::on_login(HttpClient client, const ServicePointer& service,
                           const std::string& bytes, const RequestHead& head,
                           const LoginChecker::Result& result)
{
    switch (result.outcome) {
    case LoginChecker::Outcome::let_in:
        return let_in(std::move(client), service, bytes, head, result.user);
    case LoginChecker::Outcome::refused:
        return refuse(std::move(client), *service, asked(head),
                      login_required(service->options.name));
    case LoginChecker::Outcome::too_many:
        return refuse(std::move(client), *service, asked(head),
                      too_many_wrong_logins(result.retry_after));
    case LoginChecker::Outcome::busy:
        return refuse(std::move(client), *service, asked(head), logins_are_busy());
    }
}

void HttpGateway::let_in(HttpClient client, const ServicePointer& service, const std::string& bytes,
                         const RequestHead& head, const std::string& user)
{
    if (service->retired || !uses_.fronts.is_open(*service)) // while the login was checked
        return refuse(std::move(client), *service, asked(head), nobody_serves_it());
    std::variant<VisitorLimits::Permit, Refusal> decision;
    if (client.permit && client.permitted_by == service->number)
        decision = std::move(*client.permit);
    else
        decision = uses_.admission.decide(*service, client.info.peer, !client.was_let_in);
    client.permit.reset();
    if (const auto* const refusal = std::get_if<Refusal>(&decision))
        return refuse(std::move(client), *service, asked(head), answer_to_refusal(*refusal));
    if (uses_.admission.is_full())
        return refuse(std::move(client), *service, asked(head),
                      answer_to({Code::no_room, "no descriptors left"}));
    const HttpVisitorInfo info = client.info;
    auto on_back = [this, info = share(info), requests = client.requests,
                    service = std::weak_ptr<PublicService>(service)](
                       Channel channel, HttpExchange::Outcome outcome) {
        const ServicePointer its = service.lock();
        HttpClient back{std::move(channel), *info, requests};
        back.was_let_in = true;
        take_back(std::move(back), its.get(), std::move(outcome));
    };
    auto exchange = std::make_unique<HttpExchange>(visit_of(client, service, head, user), bytes,
                                                   head, std::move(on_back));
    Admission::Arrival arrival{std::move(client.channel), info.peer, info.outside};
    arrival.exchange = std::move(exchange);
    uses_.admission.admit(service, std::move(arrival),
                          std::get<VisitorLimits::Permit>(std::move(decision)));
}

// An exchange may end on a thread of the relay, and what it knows belongs to this one.
std::shared_ptr<const HttpVisitorInfo> HttpGateway::share(const HttpVisitorInfo& info) const
{
    return {new HttpVisitorInfo(info), [&io = uses_.io](const HttpVisitorInfo* last) {
                std::unique_ptr<const HttpVisitorInfo> owned(last);
                if (!io.get_executor().running_in_this_thread())
                    asio::post(io, [owned = std::move(owned)] {});
            }};
}

HttpVisit HttpGateway::visit_of(const HttpClient& client, const ServicePointer& service,
                                const RequestHead& head, const std::string& user) const
{
    const HttpSettings& settings = service->registered->http;
    const ServiceRules& rules = service->options.rules;
    HttpVisit visit;
    visit.host = host_key(head);
    const auto& routes = client.info.front->routes;
    visit.any_host = routes.size() == 1 && routes.at("*") != nullptr;
    visit.leaves_challenges =
        client.info.front->kind == Front::Kind::http && !uses_.options.fronts.acme_webroot.empty();
    visit.rules.visitor_address = client.info.peer.address().to_string();
    visit.rules.trusts_visitor =
        client.info.is_proxy || contains(rules.visitors.trusted, client.info.peer.address());
    visit.rules.scheme = client.channel.is_encrypted() ? "https" : "http";
    visit.rules.host_header = settings.host_header;
    visit.rules.user = user;
    visit.asks_for_login = !settings.logins.empty();
    visit.authorization = head.authorization;
    visit.shares_streams = settings.shares_streams;
    visit.is_retry = client.is_retry;
    visit.logs = uses_.options.fronts.access_log;
    visit.service = service->options.name;
    visit.visitor = to_string(client.info.peer);
    visit.routes = uses_.fronts.version();
    visit.routes_version = visit.routes->load();
    visit.counts = service->requests();
    return visit;
}

void HttpGateway::refuse(HttpClient client, PublicService& service, Asked about,
                         const OwnAnswer& answer)
{
    service.requests()->count_response(answer.status);
    service.requests()->count_own(answer.code);
    about.service = service.options.name;
    uses_.visitors.answer(std::move(client), about, answer);
}

void HttpGateway::take_back(HttpClient client, PublicService* service,
                            HttpExchange::Outcome outcome)
{
    using After = HttpExchange::After;
    client.channel.unread(std::as_bytes(std::span(outcome.unread)));
    switch (outcome.after) {
    case After::left:
        allow_clean_close(client.channel.descriptor());
        client.channel.end();
        return;
    case After::close:
        if (!outcome.visitor_said_last || client.channel.hides_more_than(0))
            return uses_.visitors.close(std::move(client));
        allow_clean_close(client.channel.descriptor());
        client.channel.end();
        return;
    case After::next:
    case After::again:
        client.is_retry = outcome.after == After::again;
        ++client.requests;
        return uses_.visitors.take(std::move(client));
    case After::answer:
        break;
    }
    Asked about;
    about.accept = std::move(outcome.accept);
    about.host = std::move(outcome.host_text);
    about.method = std::move(outcome.method);
    about.target = std::move(outcome.target);
    about.is_head = outcome.is_head;
    about.is_http_1_0 = outcome.is_http_1_0;
    about.goes_on = outcome.can_go_on;
    if (service != nullptr)
        refuse(std::move(client), *service, std::move(about), outcome.answer);
    else
        uses_.visitors.answer(std::move(client), about, outcome.answer);
}

} // namespace tunnel
