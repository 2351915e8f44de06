// Visitors who speak HTTP with the remote proxy.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/alarm.hpp"
#include "common/base/asio.hpp"
#include "common/base/task_group.hpp"
#include "common/http/request_head.hpp"
#include "common/transport/idle_watch.hpp"
#include "remote-proxy/fronts/acme_webroot.hpp"
#include "remote-proxy/fronts/head_pool.hpp"
#include "remote-proxy/fronts/http_answer.hpp"
#include "remote-proxy/fronts/http_answers.hpp"
#include "remote-proxy/fronts/http_client.hpp"
#include "remote-proxy/fronts/http_counts.hpp"
#include "remote-proxy/http/access_log.hpp"
#include "remote-proxy/http/error_pages.hpp"

namespace tunnel {

// What visitors could otherwise exceed.
struct HttpLimits {
    std::size_t connections = 256; // that no service has at the moment
    std::size_t answers = 256;     // that are larger than a socket takes at once, and goodbyes
    unsigned requests = 100;       // of one connection, that are answered here
    Clock::duration head = std::chrono::seconds(10); // for the whole of it; also for each answer
    Clock::duration idle = std::chrono::seconds(60); // between two requests
    Clock::duration farewell = std::chrono::seconds(1);
};

// A request that was read, as far as an answer of ours depends on it.
struct Asked {
    std::string accept{};
    std::string host{};
    std::string method{};
    std::string target{};
    std::string service{}; // empty: none
    bool is_head = false;
    bool is_http_1_0 = false;
    bool goes_on = false; // another request may follow
};

Asked asked(const RequestHead& head);

// Waits for each request, and has it answered: here, or by a service. On the thread of the
// io_context.
class HttpVisitors {
public:
    // Owned by others; all must outlive this. `tasks` must be run dry before this is destroyed.
    struct Uses {
        asio::io_context& io;
        IdleWatch& watch;
        Alarm& alarm;
        TaskGroup& tasks;
        AcmeWebroot* webroot; // null: ACME challenges are paths like others
    };

    struct Hooks {
        // What a name belongs to where the visitor came. By HTTP: then on_request is called.
        std::function<HostKnown(const HttpVisitorInfo& visitor, std::string_view host)> find;
        // For a service; `head` was parsed from the bytes.
        std::function<void(HttpClient client, const std::string& bytes, const RequestHead& head)>
            on_request;
        // A bad request, a timeout, a connection that lost its place, a challenge that cannot be
        // read. Strangers cause as many as they like.
        std::function<void(std::string_view peer, std::string_view why)> on_bad;
        // One of our own answers has been given.
        std::function<void(const AccessRecord& access)> on_answer{};
    };

    // `https_port`: where visitors reach https, and opaque names.
    HttpVisitors(Uses uses, Hooks hooks, std::uint16_t https_port, const HttpLimits& limits);

    HttpVisitors(const HttpVisitors&) = delete;
    HttpVisitors& operator=(const HttpVisitors&) = delete;

    // Takes a connection, and does what the next request wants.
    void take(HttpClient client);

    // Answers a request instead of its service.
    void answer(HttpClient client, const Asked& asked, const OwnAnswer& answer);

    // Nothing more is said to it.
    void close(HttpClient client) { answers_.close(std::move(client)); }

    // From now on.
    void show(std::shared_ptr<const ErrorPages> pages) { pages_ = std::move(pages); }

    // Connections that are open, and that no service has.
    std::size_t size() const { return heads_.size() + answers_.size(); }

    const HttpCounts& counts() const { return counts_; }

    void expire(Clock::time_point now) { heads_.expire(now); }

    std::optional<Clock::time_point> next_deadline() const { return heads_.next_deadline(); }

    // Whoever has no request under way is closed, from now on.
    void leave();

    // Each has one request more: the answers say that the connection ends.
    void let_finish() { is_last_ = true; }

    // Resets those who wait.
    void stop();

private:
    void on_head(HttpClient client, const std::string& bytes);
    void on_wrong(HttpClient client, const MessageProblem& problem);
    void on_late(HttpClient client, bool has_begun);
    void reply(HttpClient client, const Asked& asked, const HttpAnswer& answer);
    void send(HttpClient client, const Asked& asked, const Response& response, const Code* code);
    awaitable<void> answer_challenge(HttpClient client, Asked asked, std::string token);

    const Uses uses_;
    const Hooks hooks_;
    const std::uint16_t https_port_;
    const HttpLimits limits_;
    std::shared_ptr<const ErrorPages> pages_;
    bool is_leaving_ = false;
    bool is_last_ = false;
    bool is_stopped_ = false;
    HeadPool heads_;
    HttpAnswers answers_;
    HttpCounts counts_;
};

} // namespace tunnel
