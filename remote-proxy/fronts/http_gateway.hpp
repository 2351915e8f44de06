// From requests to the services that they are for.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "common/base/asio.hpp"
#include "common/http/logins.hpp"
#include "common/http/request_head.hpp"
#include "remote-proxy/fronts/fronts.hpp"
#include "remote-proxy/fronts/http_visitors.hpp"
#include "remote-proxy/http/http_exchange.hpp"
#include "remote-proxy/http/login_checker.hpp"
#include "remote-proxy/options/options.hpp"
#include "remote-proxy/origins/capacity.hpp"
#include "remote-proxy/visitors/admission.hpp"
#include "remote-proxy/visitors/run_state.hpp"

namespace tunnel {

// Asks for a login where a service wants one, lets the visitor in, and takes the connection back
// when the service has answered. Then the next request may be for any service.
class HttpGateway {
public:
    // Owned by others; all must outlive this.
    struct Uses {
        asio::io_context& io;
        const RemoteOptions& options;
        const Capacity& capacity;
        const RunState& state;
        const Fronts& fronts;
        Admission& admission;
        HttpVisitors& visitors;
    };

    explicit HttpGateway(Uses uses);

    // What a name belongs to where the visitor came.
    HostKnown find(const HttpVisitorInfo& visitor, std::string_view host) const;

    // A request for a service; `head` was parsed from the bytes.
    void pass_on(HttpClient client, const std::string& bytes, const RequestHead& head);

    // Nobody waits for a login any more.
    void stop() { logins_.stop(); }

private:
    const ServicePointer* service_at(const HttpVisitorInfo& visitor, std::string_view host) const;
    void let_in(HttpClient client, const ServicePointer& service, const std::string& bytes,
                const RequestHead& head, const std::string& user);
    void check_login(HttpClient client, const ServicePointer& service, const std::string& bytes,
                     const RequestHead& head, std::shared_ptr<const Logins> logins);
    void on_login(HttpClient client, const ServicePointer& service, const std::string& bytes,
                  const RequestHead& head, const LoginChecker::Result& result);
    static std::shared_ptr<const Logins> logins_of(PublicService& service);
    HttpVisit visit_of(const HttpClient& client, const ServicePointer& service,
                       const RequestHead& head, const std::string& user) const;
    std::shared_ptr<const HttpVisitorInfo> share(const HttpVisitorInfo& info) const;
    void refuse(HttpClient client, PublicService& service, Asked about, const OwnAnswer& answer);
    void take_back(HttpClient client, PublicService* service, HttpExchange::Outcome outcome);

    const Uses uses_;
    LoginChecker logins_;
};

} // namespace tunnel
