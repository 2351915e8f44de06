// The requests of one visitor to one host, and their answers, while they pass.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "common/base/asio.hpp"
#include "common/http/body_scanner.hpp"
#include "common/http/request_head.hpp"
#include "common/http/response_head.hpp"
#include "common/relay/filter.hpp"
#include "common/transport/channel.hpp"
#include "remote-proxy/http/forwarded_head.hpp"
#include "remote-proxy/http/http_service_counts.hpp"
#include "remote-proxy/http/own_answer.hpp"

namespace tunnel {

// Where authorities look for proofs that a name is ours (RFC 8555 8.3).
inline constexpr std::string_view acme_challenges = "/.well-known/acme-challenge/";

// Counts the changes of routes: what was found before one has to be looked up again.
using RoutesVersion = std::atomic<std::uint64_t>;

// The version from when on the remote proxy is leaving: an answer that begins is its visitor's
// last.
inline constexpr std::uint64_t routes_closed = UINT64_MAX;

// What the requests of an exchange have in common.
struct HttpVisit {
    std::string host{}; // by which the service was found, see host_key(); requests for others are
                        // not taken
    bool any_host = false;       // the service has all hosts there
    ForwardRules rules{};        // of this visitor
    bool asks_for_login = false; // requests must have the same login again
    std::string authorization{};
    bool shares_streams = false;    // with the requests of other visitors
    bool is_retry = false;          // the first request was sent before, and was lost
    bool leaves_challenges = false; // of ACME: the remote proxy answers them
    bool logs = false;              // a line for each request
    std::string service{};
    std::string visitor{}; // "ip:port"
    std::shared_ptr<const RoutesVersion> routes{};
    std::uint64_t routes_version = 0; // when the service was found
    std::shared_ptr<HttpServiceCounts> counts{};
};

// By what a request's service is found: its canonical host name, or what else it has for a host.
std::string host_key(const RequestHead& head);

// Finds the ends of messages, rewrites their heads, and lets one request at a time be under way. It
// is done when the next request may belong to another service, or when the remote proxy itself has
// to answer. Once a byte of an answer has passed, what goes wrong cuts it.
class HttpExchange final : public Filter {
public:
    // What the visitor's connection is for when the exchange is done.
    enum class After : std::uint8_t {
        next,   // another request
        again,  // the same one, on a new stream: it was lost with an old one, and does no harm
        answer, // one of ours
        close,  // the answer was the last
        left,   // the visitor has
    };

    struct Outcome {
        After after = After::next;
        OwnAnswer answer{};      // if it is to be one of ours
        bool can_go_on = false;  // the request was read whole: others may follow that answer
        std::string unread{};    // of the visitor's; before what its channel has read ahead
        std::string accept{};    // of that request, as far as it is known
        std::string host_text{}; // the same
        std::string method{};
        std::string target{};
        bool is_head = false;
        bool is_http_1_0 = false;
        bool visitor_said_last = false; // close: of its own will, so that it sends no more
    };

    // What the stream is good for.
    enum class Stream : std::uint8_t { nothing, ending, more };

    // Takes the visitor's connection back.
    using OnBack = std::function<void(Channel channel, Outcome outcome)>;

    // `bytes` are a head, which `head` was parsed from.
    HttpExchange(HttpVisit visit, std::string_view bytes, const RequestHead& head, OnBack on_back);

    HttpExchange(const HttpExchange&) = delete;
    HttpExchange& operator=(const HttpExchange&) = delete;

    // A request that is under way is cut, which the log of requests shows.
    ~HttpExchange() override;

    // For whatever comes after it. Once, and nothing else afterwards.
    void give_back(Channel channel) { on_back_(std::move(channel), std::move(outcome_)); }

    // The request does not get an answer, but this one of ours. As give_back().
    void fail(Channel channel, OwnAnswer answer);

    const HttpVisit& visit() const { return visit_; }

    // Of one that is done: what follows.
    After after() const { return outcome_.after; }

    // The stream that it gets was used before, so it may be dead without anyone's fault.
    void use_old_stream(Clock::time_point born)
    {
        stream_is_old_ = true;
        stream_born_ = born;
    }

    // Its stream: when its first request came.
    Clock::time_point stream_born() const { return stream_born_; }

    Stream stream() const;

    // ---- As a filter

    std::string_view beginning() const override { return beginning_; }

    bool may_be_early() const override { return is_safe_; }

    Step forth(std::string_view bytes, std::string& out) override;
    Step back(std::string_view bytes, std::string& out) override;

    bool wants_forth() const override { return request_ != Part::whole; }

    std::uint64_t unseen_forth() const override;
    std::uint64_t unseen_back() const override;
    void passed_forth(std::uint64_t bytes) override;
    void passed_back(std::uint64_t bytes) override;
    AtEnd forth_ended() override;
    AtEnd back_ended() override;

    bool is_done() const override { return is_done_; }

    bool survives(End how) override;
    void on_silence(std::chrono::milliseconds silence) override;

    bool keeps_second() const override { return stream() != Stream::nothing; }

private:
    enum class Part : std::uint8_t { head, body, whole };

    // Between two requests.
    bool is_idle() const { return request_ == Part::head && response_ == Part::whole; }

    void begin(std::string_view bytes, const RequestHead& head, std::string& out);
    void take_head(std::string_view bytes, std::string& out);
    bool are_routes_old() const;
    bool is_ours(const RequestHead& head) const;
    Step take_response_head(std::string_view bytes, std::string& out);
    Filter::Then begin_response(std::string_view bytes, std::string& out);
    void end_of_request_body();
    void end_of_response();
    void next_message();
    void leave_stream();
    void done(After after);
    void answer(OwnAnswer answer);
    void remember(const RequestHead& head, std::string_view bytes);
    void note_answer();

    const HttpVisit visit_;
    const OnBack on_back_;
    std::string beginning_;        // until the first answer begins
    std::string partial_;          // head of a request that is not whole yet
    std::string partial_response_; // the same of an answer
    std::string replay_;           // the request that is under way, if it may be sent again
    std::size_t searched_ = 0;
    std::size_t searched_response_ = 0;
    BodyScanner request_body_{BodySize()};
    BodyScanner response_body_{BodySize()};
    Outcome outcome_;
    Clock::time_point began_{}; // the request, if it is logged
    Clock::time_point partial_since_{};
    Clock::time_point stream_born_ = Clock::now();
    std::uint64_t answered_bytes_ = 0;
    unsigned status_ = 0;
    Part request_ = Part::head;
    Part response_ = Part::whole;
    bool is_done_ = false;
    bool is_noted_ : 1 = true; // the request, in the log of requests
    bool is_head_ : 1 = false; // the request
    bool is_safe_ : 1 = false;
    bool is_http_1_0_ : 1 = false;
    bool wants_upgrade_ : 1 = false;
    bool holds_body_back_ : 1 = false; // the visitor, until it gets 100
    bool visitor_goes_on_ : 1 = false; // after this answer
    bool stream_goes_on_ : 1 = true;
    bool answer_begun_ : 1 = false; // a byte of it has been passed on
    bool forth_ended_ : 1 = false;
    bool back_ended_ : 1 = false;
    bool is_retry_ : 1 = false; // the request
    bool is_bound_ : 1 = false; // the connection has been authenticated for this visitor
    // A server that takes bodies in another way may say more than was asked for, or answer what
    // was not.
    bool is_doubtful_ : 1 = false;
    bool stream_is_old_ : 1 = false;
    bool stream_is_broken_ : 1 = false;
};

} // namespace tunnel
