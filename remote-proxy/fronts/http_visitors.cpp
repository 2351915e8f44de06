#include "remote-proxy/fronts/http_visitors.hpp"

#include <ctime>
#include <utility>
#include <variant>

#include "common/base/log.hpp"
#include "common/transport/socket.hpp"

namespace tunnel {

Asked asked(const RequestHead& head)
{
    Asked about;
    about.accept = value_of(head, "accept");
    about.host = head.host_text;
    about.method = head.method;
    about.target = path_of(head.target);
    about.is_head = head.is_head;
    about.is_http_1_0 = head.is_http_1_0;
    const bool has_body = head.body.is == BodySize::Is::chunked ||
                          (head.body.is == BodySize::Is::length && head.body.length > 0);
    about.goes_on = head.keep_alive && !has_body;
    return about;
}

HttpVisitors::HttpVisitors(Uses uses, Hooks hooks, std::uint16_t https_port,
                           const HttpLimits& limits)
    : uses_(uses),
      hooks_(std::move(hooks)),
      https_port_(https_port),
      limits_(limits),
      pages_(std::make_shared<const ErrorPages>()),
      heads_(
          uses.io, uses.watch, uses.alarm,
          {[this](HttpClient client, const std::string& head) { on_head(std::move(client), head); },
           [this](HttpClient client, const MessageProblem& problem) {
               on_wrong(std::move(client), problem);
           },
           [this](HttpClient client, bool has_begun) { on_late(std::move(client), has_begun); },
           [this](HttpClient client) {
               allow_clean_close(client.channel.descriptor()); // it may still read an answer
               hooks_.on_bad(to_string(client.info.peer), "too many connections");
           }},
          {limits.connections, limits.head, limits.idle}),
      answers_(uses.io, uses.tasks, [this](HttpClient client) { take(std::move(client)); },
               {limits.answers, limits.head, limits.farewell})
{
}

void HttpVisitors::leave()
{
    is_leaving_ = true;
    while (auto client = heads_.take_idle())
        close(std::move(*client));
}

void HttpVisitors::stop()
{
    is_stopped_ = true;
    heads_.clear();
}

void HttpVisitors::take(HttpClient client)
{
    if (is_stopped_)
        return reset(client.channel);
    if (is_leaving_ && !client.channel.has_pending())
        return close(std::move(client));
    heads_.wait(std::move(client));
}

void HttpVisitors::on_head(HttpClient client, const std::string& bytes)
{
    const auto parsed = parse_request_head(bytes);
    if (const auto* const problem = std::get_if<MessageProblem>(&parsed))
        return on_wrong(std::move(client), *problem);
    const RequestHead& head = std::get<RequestHead>(parsed);
    const FindHost find = [this, &client](std::string_view host) {
        return hooks_.find(client.info, host);
    };
    const bool is_plain =
        client.info.front == nullptr || client.info.front->kind == Front::Kind::http;
    const HttpRules rules{find, https_port_, is_plain && uses_.webroot != nullptr};
    HttpAnswer answer = answer_to(head, rules);
    if (answer.is_for_service)
        return hooks_.on_request(std::move(client), bytes, head);
    const Asked about = asked(head);
    if (answer.token.empty())
        return reply(std::move(client), about, answer);
    uses_.tasks.spawn("an ACME challenge",
                      answer_challenge(std::move(client), about, std::move(answer.token)));
}

awaitable<void> HttpVisitors::answer_challenge(HttpClient client, Asked asked, std::string token)
{
    const AcmeFile file = co_await uses_.webroot->read(token);
    const HttpAnswer answer = answer_to(file);
    reply(std::move(client), asked, answer);
}

void HttpVisitors::on_wrong(HttpClient client, const MessageProblem& problem)
{
    reply(std::move(client), {}, answer_to(problem));
}

void HttpVisitors::on_late(HttpClient client, bool has_begun)
{
    if (has_begun)
        return reply(std::move(client), {}, answer_to_timeout());
    if (client.requests == 0)
        ++counts_.timeout;
    allow_clean_close(client.channel.descriptor());
    client.channel.end();
}

void HttpVisitors::reply(HttpClient client, const Asked& asked, const HttpAnswer& answer)
{
    ++(counts_.*answer.counted_as);
    if (!answer.why.empty())
        hooks_.on_bad(to_string(client.info.peer), answer.why);
    if (!answer.own)
        return send(std::move(client), asked, answer.response, nullptr);
    Response response = pages_->response(*answer.own, asked.accept, asked.host);
    for (const auto& [name, value] : answer.response.headers)
        response.headers.emplace_back(name, value);
    send(std::move(client), asked, response, &answer.own->code);
}

void HttpVisitors::answer(HttpClient client, const Asked& asked, const OwnAnswer& answer)
{
    send(std::move(client), asked, pages_->response(answer, asked.accept, asked.host),
         &answer.code);
}

void HttpVisitors::send(HttpClient client, const Asked& asked, const Response& response,
                        const Code* code)
{
    Sending sending;
    sending.keep_alive =
        asked.goes_on && !is_leaving_ && !is_last_ && client.requests + 1 < limits_.requests;
    sending.says_keep_alive = asked.is_http_1_0;
    sending.head_only = asked.is_head;
    sending.now = std::time(nullptr);
    const bool goes_on = sending.keep_alive;
    client.is_retry = false;
    std::string bytes = encode(response, sending);
    if (hooks_.on_answer) {
        const std::string visitor = to_string(client.info.peer);
        AccessRecord access;
        access.method = asked.method;
        access.host = asked.host;
        access.target = asked.target;
        access.status = response.status;
        access.bytes = bytes.size();
        access.service = asked.service;
        access.visitor = visitor;
        access.own_answer = code;
        hooks_.on_answer(access);
    }
    answers_.send(std::move(client), std::move(bytes), goes_on);
}

} // namespace tunnel
