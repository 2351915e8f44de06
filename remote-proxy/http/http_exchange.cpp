#include "remote-proxy/http/http_exchange.hpp"

#include <algorithm>
#include <utility>

#include "common/http/field_names.hpp"
#include "remote-proxy/http/access_log.hpp"

using namespace std::chrono_literals;

namespace tunnel {

namespace {

// A stream that may be shared is not kept from others for a visitor who is silent for so long.
constexpr auto shared_idle = 1s;

// Any other is kept for its visitor, but not for ever.
constexpr auto own_idle = 60s;

// As much of an Accept as says what form an answer of ours is to have.
constexpr std::size_t longest_accept = 1024;

// For a body to go on, whoever does not let it.
constexpr auto body_limit = 120s;

// For the first byte of an answer, where --idle-timeout is not shorter.
constexpr auto answer_limit = 300s;

// For a head that has begun.
constexpr auto head_limit = 10s;

bool tells_of_body(const ResponseHead& head)
{
    return std::ranges::any_of(head.fields, [](const HeaderField& field) {
        const KnownField known = known_name(field.name).field;
        return known == KnownField::transfer_encoding ||
               (known == KnownField::content_length && field.value != "0");
    });
}

// Whoever logs in so has the connection authenticated, and not each request.
bool binds_connection(std::string_view authorization)
{
    const std::string_view scheme = authorization.substr(0, authorization.find(' '));
    return same_word(scheme, "ntlm") || same_word(scheme, "negotiate");
}

OwnAnswer own_answer_to(const MessageProblem& problem)
{
    const Code code = problem.status == 502 ? Code::bad_response : Code::bad_request;
    return {problem.status, code, problem.text};
}

} // namespace

std::string host_key(const RequestHead& head)
{
    if (!head.host.empty())
        return head.host;
    std::string key(head.host_text);
    std::ranges::transform(key, key.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
    return key;
}

HttpExchange::HttpExchange(HttpVisit visit, std::string_view bytes, const RequestHead& head,
                           OnBack on_back)
    : visit_(std::move(visit)), on_back_(std::move(on_back))
{
    is_retry_ = visit_.is_retry;
    begin(bytes, head, beginning_);
}

HttpExchange::~HttpExchange()
{
    const bool is_cut = !is_done_ && response_ != Part::whole;
    if (is_cut && !is_noted_)
        note_answer();
}

void HttpExchange::begin(std::string_view bytes, const RequestHead& head, std::string& out)
{
    append_request(out, head, visit_.rules);
    visit_.counts->count_request();
    is_head_ = head.is_head;
    is_http_1_0_ = head.is_http_1_0;
    wants_upgrade_ = head.wants_upgrade;
    visitor_goes_on_ = head.keep_alive;
    outcome_.visitor_said_last = !head.keep_alive;
    is_bound_ = is_bound_ || binds_connection(head.authorization);
    answer_begun_ = false;
    is_noted_ = false;
    status_ = 0;
    answered_bytes_ = 0;
    request_body_ = BodyScanner(head.body);
    request_ = request_body_.state() == BodyScanner::State::whole ? Part::whole : Part::body;
    holds_body_back_ = head.expects_continue;
    // Some servers leave a body unread, and take it for the next request.
    is_doubtful_ = is_doubtful_ || request_ == Part::body;
    is_safe_ = head.is_safe && request_ == Part::whole;
    response_ = Part::head;
    remember(head, bytes);
}

// What may be needed of the request later.
void HttpExchange::remember(const RequestHead& head, std::string_view bytes)
{
    if (is_safe_ && !is_retry_)
        replay_.assign(bytes);
    is_retry_ = false; // so much for the first
    outcome_.accept.assign(value_of(head, "accept").substr(0, longest_accept));
    outcome_.host_text.assign(head.host_text);
    outcome_.is_head = is_head_;
    outcome_.is_http_1_0 = is_http_1_0_;
    if (!visit_.logs)
        return;
    began_ = Clock::now();
    outcome_.method.assign(head.method);
    outcome_.target.assign(path_of(head.target));
}

// ---- From the visitor

Filter::Step HttpExchange::forth(std::string_view bytes, std::string& out)
{
    if (is_done_ || request_ == Part::whole)
        return {};
    if (request_ == Part::body) {
        holds_body_back_ = false;
        const std::size_t size = request_body_.put(bytes);
        out.append(bytes.substr(0, size));
        end_of_request_body();
        const bool is_broken = request_body_.state() == BodyScanner::State::wrong && !is_done_;
        return {size, is_broken ? Then::broken : Then::more};
    }
    if (partial_.empty()) { // most heads come whole, and are not copied
        const HeadSearch found = find_request_head(bytes, 0);
        if (found.is == HeadSearch::Is::whole) {
            take_head(bytes.substr(0, found.size), out);
            return {found.size};
        }
        if (found.is == HeadSearch::Is::wrong) {
            answer(own_answer_to(found.problem));
            return {};
        }
        partial_.assign(bytes);
        partial_since_ = Clock::now();
        searched_ = found.size;
        return {bytes.size()};
    }
    const std::size_t before = partial_.size();
    partial_.append(bytes);
    const HeadSearch found = find_request_head(partial_, searched_);
    searched_ = found.size;
    if (found.is == HeadSearch::Is::incomplete)
        return {bytes.size()};
    const std::string head = std::exchange(partial_, {}).substr(0, found.size);
    if (found.is == HeadSearch::Is::wrong) {
        answer(own_answer_to(found.problem));
        return {bytes.size()};
    }
    take_head(head, out);
    return {head.size() - before};
}

void HttpExchange::take_head(std::string_view bytes, std::string& out)
{
    auto parsed = parse_request_head(bytes);
    if (const auto* const problem = std::get_if<MessageProblem>(&parsed))
        return answer(own_answer_to(*problem));
    const RequestHead& head = std::get<RequestHead>(parsed);
    if (is_ours(head))
        return begin(bytes, head, out);
    outcome_.unread.assign(bytes);
    done(After::next);
}

bool HttpExchange::are_routes_old() const
{
    return visit_.routes->load(std::memory_order_acquire) != visit_.routes_version;
}

bool HttpExchange::is_ours(const RequestHead& head) const
{
    return !are_routes_old() && (visit_.any_host || host_key(head) == visit_.host) &&
           (!visit_.asks_for_login || head.authorization == visit_.authorization) &&
           (!visit_.leaves_challenges || !head.path_and_query.starts_with(acme_challenges));
}

void HttpExchange::end_of_request_body()
{
    if (request_body_.state() == BodyScanner::State::wrong && !answer_begun_)
        return answer({400, Code::bad_request, "the body of the request is malformed"});
    if (request_body_.state() != BodyScanner::State::whole)
        return;
    request_ = Part::whole;
    if (response_ == Part::whole) // the answer came before
        next_message();
}

Filter::AtEnd HttpExchange::forth_ended()
{
    if (is_done_)
        return AtEnd::hand_back;
    if (request_ == Part::body && response_ != Part::whole)
        return AtEnd::broken;
    if (request_ == Part::body) { // it has its answer
        stream_is_broken_ = true;
        done(After::close);
        return AtEnd::hand_back;
    }
    if (request_ == Part::whole) {
        forth_ended_ = true;
        return AtEnd::pass_on; // it may still read the answer
    }
    done(After::left);
    return AtEnd::hand_back;
}

// ---- From the origin server

Filter::Step HttpExchange::back(std::string_view bytes, std::string& out)
{
    if (!is_done_ && response_ == Part::head)
        return take_response_head(bytes, out);
    if (is_done_ || response_ == Part::whole) { // nobody has asked for these bytes
        stream_is_broken_ = true;
        stream_goes_on_ = false;
        if (!is_done_ && is_idle())
            leave_stream();
        return {bytes.size()};
    }
    const std::size_t size = response_body_.put(bytes);
    out.append(bytes.substr(0, size));
    answered_bytes_ += size;
    if (response_body_.state() == BodyScanner::State::wrong)
        return {size, Then::broken};
    if (response_body_.state() == BodyScanner::State::whole)
        end_of_response();
    return {size};
}

Filter::Step HttpExchange::take_response_head(std::string_view bytes, std::string& out)
{
    const std::size_t before = partial_response_.size();
    HeadSearch found;
    std::string whole;
    std::string_view head;
    if (before == 0) {
        found = find_response_head(bytes, 0);
        head = bytes.substr(0, found.size);
    } else {
        partial_response_.append(bytes);
        found = find_response_head(partial_response_, searched_response_);
    }
    searched_response_ = found.size;
    if (found.is == HeadSearch::Is::wrong) {
        answer(own_answer_to(found.problem));
        return {bytes.size()};
    }
    if (found.is == HeadSearch::Is::incomplete) {
        if (before == 0)
            partial_response_.assign(bytes);
        return {bytes.size()};
    }
    if (before > 0) {
        whole = std::exchange(partial_response_, {});
        head = std::string_view(whole).substr(0, found.size);
    }
    const Then then = begin_response(head, out);
    return {found.size - before, then};
}

Filter::Then HttpExchange::begin_response(std::string_view bytes, std::string& out)
{
    auto parsed = parse_response_head(bytes, is_head_);
    if (const auto* const problem = std::get_if<MessageProblem>(&parsed)) {
        answer(own_answer_to(*problem));
        return Then::more;
    }
    const ResponseHead& head = std::get<ResponseHead>(parsed);
    if (head.is_upgrade && !wants_upgrade_) {
        answer({502, Code::bad_response, "the server changes to a protocol nobody has asked for"});
        return Then::more;
    }
    if (is_http_1_0_ && head.body.is == BodySize::Is::chunked) {
        answer({502, Code::bad_response, "the server answers HTTP/1.0 in chunks"});
        return Then::more;
    }
    const std::size_t before = out.size();
    if (head.is_interim) {
        holds_body_back_ = holds_body_back_ && head.status != 100;
        append_response(out, head, visitor_goes_on_, is_http_1_0_);
        return Then::more;
    }
    // Who does not get 100 need not send the body, and nobody knows whether it comes: what follows
    // may be that or another request (RFC 9110 10.1.1).
    const bool ends_visit = head.body.is == BodySize::Is::until_end || forth_ended_ ||
                            holds_body_back_ ||
                            visit_.routes->load(std::memory_order_acquire) == routes_closed;
    visitor_goes_on_ = visitor_goes_on_ && !ends_visit;
    append_response(out, head, visitor_goes_on_, is_http_1_0_);
    answer_begun_ = true;
    replay_.clear();
    beginning_ = std::string();
    status_ = head.status;
    answered_bytes_ = out.size() - before;
    visit_.counts->count_response(head.status);
    if (head.is_upgrade) {
        note_answer();
        return Then::transparent;
    }
    stream_goes_on_ = stream_goes_on_ && head.keep_alive;
    is_bound_ = is_bound_ || head.is_connection_bound;
    // Some servers send that body all the same, perhaps when the next request is there already.
    const bool has_none = is_head_ || head.status == 204 || head.status == 304;
    is_doubtful_ = is_doubtful_ || (has_none && tells_of_body(head));
    response_body_ = BodyScanner(head.body);
    response_ = Part::body;
    if (response_body_.state() == BodyScanner::State::whole)
        end_of_response();
    return Then::more;
}

Filter::AtEnd HttpExchange::back_ended()
{
    back_ended_ = true;
    stream_goes_on_ = false;
    if (is_done_) // with what came before
        return AtEnd::hand_back;
    if (is_idle()) {
        leave_stream();
        return AtEnd::hand_back;
    }
    if (response_ == Part::body && response_body_.unseen() == UINT64_MAX) {
        end_of_response();
        return AtEnd::hand_back;
    }
    if (response_ == Part::whole) { // it has answered, and does not want the rest of the request
        done(After::close);
        return AtEnd::hand_back;
    }
    return AtEnd::broken;
}

void HttpExchange::end_of_response()
{
    note_answer();
    response_ = Part::whole;
    is_doubtful_ = is_doubtful_ || request_ != Part::whole;
    if (back_ended_)
        return done(After::close);
    if (request_ == Part::whole)
        next_message();
    else if (!visitor_goes_on_ || !stream_goes_on_)
        done(After::close);
}

// The request and its answer have passed.
void HttpExchange::next_message()
{
    if (forth_ended_ || !visitor_goes_on_)
        return done(After::close);
    if (!stream_goes_on_)
        return done(After::next);
    request_ = Part::head;
    answer_begun_ = false;
    stream_is_old_ = true;
}

// ---- Ends

// Between two requests: what has come of the next one is for another stream.
void HttpExchange::leave_stream()
{
    outcome_.unread = std::exchange(partial_, {});
    done(After::next);
}

void HttpExchange::done(After after)
{
    outcome_.after = after;
    is_done_ = true;
}

void HttpExchange::answer(OwnAnswer answer)
{
    const bool is_of_request = answer.status != 502 && answer.status != 504;
    if (!is_of_request)
        stream_is_broken_ = true;
    if (request_ == Part::head) { // nothing is known of it
        outcome_.accept.clear();
        outcome_.host_text.clear();
        outcome_.is_head = false;
        outcome_.is_http_1_0 = false;
    }
    outcome_.can_go_on = !is_of_request && request_ == Part::whole && visitor_goes_on_;
    outcome_.answer = std::move(answer);
    done(After::answer);
}

void HttpExchange::fail(Channel channel, OwnAnswer why)
{
    outcome_.can_go_on = request_ == Part::whole && visitor_goes_on_;
    outcome_.answer = std::move(why);
    done(After::answer);
    give_back(std::move(channel));
}

bool HttpExchange::survives(End how)
{
    stream_is_broken_ = true;
    if (is_done_)
        return true;
    if (is_idle()) {
        leave_stream();
        return true;
    }
    if (response_ == Part::whole) { // as an answer to half a request often ends
        done(After::close);
        return true;
    }
    if (answer_begun_)
        return false;
    if (how != End::second_failed) {
        answer({504, Code::timeout, "the server did not answer in time"});
    } else if (stream_is_old_ && !replay_.empty()) {
        outcome_.unread = std::exchange(replay_, {});
        done(After::again);
    } else {
        answer({502, Code::origin_broken, "the server closed the connection without an answer"});
    }
    return true;
}

void HttpExchange::on_silence(std::chrono::milliseconds silence)
{
    if (!is_done_ && request_ == Part::body && response_ == Part::head && silence >= body_limit)
        answer({408, Code::timeout, "the body of the request did not come in time"});
    if (!is_done_ && request_ == Part::whole && response_ == Part::head && silence >= answer_limit)
        answer({504, Code::timeout, "the server did not answer in time"});
    if (is_done_ || !is_idle())
        return;
    // Some clients send an empty line behind a body.
    if (partial_.find_first_not_of("\r\n") != std::string::npos) {
        if (Clock::now() - partial_since_ >= head_limit)
            answer({408, Code::timeout, "the request did not come in time"});
        return;
    }
    const bool is_shared = visit_.shares_streams && !is_bound_;
    if (are_routes_old() || (is_shared && silence >= shared_idle))
        done(After::next);
    else if (silence >= own_idle)
        done(After::close);
}

HttpExchange::Stream HttpExchange::stream() const
{
    const bool is_clean =
        response_ == Part::whole && request_ != Part::body && !stream_is_broken_ && !back_ended_;
    if (!is_clean)
        return Stream::nothing;
    const bool is_shared = visit_.shares_streams && !is_bound_ && !is_doubtful_;
    return is_shared && stream_goes_on_ && !forth_ended_ ? Stream::more : Stream::ending;
}

// Of a request that was cut, as much as has passed.
void HttpExchange::note_answer()
{
    is_noted_ = true;
    if (!visit_.logs)
        return;
    AccessRecord access;
    access.method = outcome_.method;
    access.host = outcome_.host_text;
    access.target = outcome_.target;
    access.status = status_;
    access.bytes = answered_bytes_;
    access.took = Clock::now() - began_;
    access.service = visit_.service;
    access.visitor = visit_.visitor;
    access.user = visit_.rules.user;
    log_access(access);
}

// ---- Bytes that need not be shown

std::uint64_t HttpExchange::unseen_forth() const
{
    return request_ == Part::body && !is_done_ ? request_body_.unseen() : 0;
}

std::uint64_t HttpExchange::unseen_back() const
{
    return response_ == Part::body && !is_done_ ? response_body_.unseen() : 0;
}

void HttpExchange::passed_forth(std::uint64_t bytes)
{
    holds_body_back_ = holds_body_back_ && bytes == 0;
    request_body_.skip(bytes);
    end_of_request_body();
}

void HttpExchange::passed_back(std::uint64_t bytes)
{
    response_body_.skip(bytes);
    answered_bytes_ += bytes;
    if (response_body_.state() == BodyScanner::State::whole)
        end_of_response();
}

} // namespace tunnel
