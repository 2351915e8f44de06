// One visitor's requests and a server's answers, cut anywhere and in any order: what goes forth is
// a sequence of requests that our own parser reads, with the bodies as they came, and none of them
// goes while another waits for its answer. Not a byte of the visitor's is lost.
#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "remote-proxy/http/http_exchange.hpp"
#include "tests/fuzz/input.hpp"

using namespace tunnel;
using namespace tunnel::fuzz;
using namespace std::chrono_literals;
using After = HttpExchange::After;
using Then = Filter::Then;

namespace {

struct Message {
    std::string_view head;
    std::string_view body; // as far as it has come
    bool is_whole = false;
    bool is_head_request = false;
    bool goes_on = false; // the server's connection, after this answer
};

// As many good requests as `bytes` begin with; what is behind them is left in it.
std::vector<Message> requests_in(std::string_view& bytes, std::size_t most)
{
    std::vector<Message> all;
    while (all.size() < most) {
        const HeadSearch search = find_request_head(bytes, 0);
        if (search.is != HeadSearch::Is::whole)
            break;
        Message message{bytes.substr(0, search.size), {}};
        const auto parsed = parse_request_head(message.head);
        if (!std::holds_alternative<RequestHead>(parsed))
            break;
        message.is_head_request = std::get<RequestHead>(parsed).is_head;
        BodyScanner scanner(std::get<RequestHead>(parsed).body);
        const std::size_t size = scanner.put(bytes.substr(search.size));
        message.body = bytes.substr(search.size, size);
        message.is_whole = scanner.state() == BodyScanner::State::whole;
        bytes.remove_prefix(search.size + size);
        all.push_back(message);
        if (!message.is_whole)
            break;
    }
    return all;
}

// The final answers to these requests that `bytes` begin with; what is behind them is left in it.
std::vector<Message> answers_in(std::string_view& bytes, const std::vector<Message>& requests)
{
    std::vector<Message> all;
    while (!bytes.empty() && all.size() < requests.size()) {
        const HeadSearch search = find_response_head(bytes, 0);
        if (search.is != HeadSearch::Is::whole)
            break;
        const auto parsed =
            parse_response_head(bytes.substr(0, search.size), requests[all.size()].is_head_request);
        if (!std::holds_alternative<ResponseHead>(parsed))
            break;
        const auto& head = std::get<ResponseHead>(parsed);
        Message message{bytes.substr(0, search.size), {}};
        bytes.remove_prefix(search.size);
        if (head.is_interim)
            continue;
        message.goes_on = head.keep_alive;
        BodyScanner scanner(head.is_upgrade ? BodySize{BodySize::Is::until_end} : head.body);
        const std::size_t size = scanner.put(bytes);
        message.body = bytes.substr(0, size);
        message.is_whole = scanner.state() == BodyScanner::State::whole;
        bytes.remove_prefix(size);
        all.push_back(message);
        if (!message.is_whole)
            break;
    }
    return all;
}

HttpVisit visit_to(const RequestHead& head, std::uint8_t choice)
{
    static const auto routes = std::make_shared<RoutesVersion>(1);
    HttpVisit visit;
    visit.host = host_key(head);
    visit.rules.visitor_address = "192.0.2.1";
    visit.any_host = (choice & 1U) != 0;
    visit.shares_streams = (choice & 2U) != 0;
    visit.asks_for_login = (choice & 4U) != 0;
    visit.is_retry = (choice & 8U) != 0;
    visit.authorization = head.authorization;
    visit.routes = routes;
    visit.routes_version = 1;
    visit.counts = std::make_shared<HttpServiceCounts>();
    return visit;
}

class Talk {
public:
    Talk(std::string_view visitor, std::string_view server, std::uint8_t choice)
        : visitor_(visitor), server_(server), passes_unseen_((choice & 16U) != 0)
    {
        const HeadSearch head = find_request_head(visitor, 0);
        if (head.is != HeadSearch::Is::whole)
            return;
        const auto parsed = parse_request_head(visitor.substr(0, head.size));
        if (!std::holds_alternative<RequestHead>(parsed))
            return;
        const auto& first = std::get<RequestHead>(parsed);
        exchange_ = std::make_unique<HttpExchange>(
            visit_to(first, choice), visitor.substr(0, head.size), first,
            [this](Channel, HttpExchange::Outcome outcome) { outcome_ = std::move(outcome); });
        if ((choice & 32U) != 0)
            exchange_->use_old_stream(Clock::now());
        taken_ = come_ = head.size;
        to_origin_ = exchange_->beginning();
    }

    bool is_on() const { return exchange_ && !is_tunnel_ && !is_broken_ && !exchange_->is_done(); }

    // More of what one of them sends. False: there is no more.
    bool deliver(bool from_visitor, std::size_t size)
    {
        std::size_t& come = from_visitor ? come_ : server_come_;
        const std::size_t all = from_visitor ? visitor_.size() : server_.size();
        if (come == all)
            return false;
        come = std::min(all, come + size);
        for (bool moved = true; moved && is_on();) {
            moved = move_back();
            moved = (is_on() && move_forth()) || moved;
            check();
        }
        return true;
    }

    void end(std::uint8_t choice)
    {
        if (!is_on())
            return;
        switch (choice % 6) {
        case 0:
            end_as(exchange_->back_ended());
            break;
        case 1:
            end_as(exchange_->forth_ended());
            break;
        case 2:
            is_broken_ = !exchange_->survives(End::second_failed);
            break;
        case 3:
            is_broken_ = !exchange_->survives(End::idle_timeout);
            break;
        case 4:
            exchange_->on_silence(2s);
            break;
        default:
            break;
        }
    }

    // What was passed on fits what has come.
    void check() const
    {
        std::string_view left = to_origin_;
        const std::vector<Message> sent = requests_in(left, SIZE_MAX);
        require(left.empty(), "what goes forth are good requests");
        std::string_view rest = visitor_;
        const std::vector<Message> asked = requests_in(rest, sent.size());
        require(asked.size() == sent.size(), "a request goes forth if there was one");
        for (std::size_t i = 0; i < sent.size(); ++i) {
            require(asked[i].body.starts_with(sent[i].body), "bodies go forth as they came");
            require(i + 1 == sent.size() || asked[i].body == sent[i].body, "whole ones");
            std::string head;
            const auto parsed = parse_request_head(asked[i].head);
            append_request(head, std::get<RequestHead>(parsed), exchange_->visit().rules);
            require(head == sent[i].head, "heads go forth in our words");
            const auto& visit = exchange_->visit();
            require(visit.any_host || host_key(std::get<RequestHead>(parsed)) == visit.host,
                    "for the host of the exchange");
        }
        const std::size_t answers = check_answers(sent);
        require(sent.size() <= answers + 1, "one request at a time is under way");
        require(exchange_->visit().counts->requests() == sent.size(), "each is counted");
        if (exchange_->stream() != HttpExchange::Stream::nothing)
            require(answers == sent.size() && sent.back().is_whole,
                    "a stream is kept between two messages only");
    }

    void check_outcome()
    {
        if (!exchange_ || !exchange_->is_done())
            return;
        check();
        exchange_->give_back(Channel());
        require(outcome_.has_value(), "it comes back");
        const std::string left = outcome_->unread + std::string(visitor_.substr(taken_));
        std::string_view rest = visitor_;
        const std::size_t number = exchange_->visit().counts->requests();
        if (outcome_->after == After::next) {
            requests_in(rest, number);
            require(left == rest, "the next request is there, byte by byte");
        } else if (outcome_->after == After::again) {
            requests_in(rest, number - 1);
            require(left == rest, "the same request is there again, byte by byte");
        } else if (outcome_->after == After::answer && outcome_->can_go_on) {
            requests_in(rest, number);
            require(left == rest, "behind an answer of ours comes the next request");
        }
        if (outcome_->after == After::answer)
            require(outcome_->answer.status >= 400, "what is ours is a failure");
    }

private:
    // How many whole ones the visitor has got.
    std::size_t check_answers(const std::vector<Message>& sent) const
    {
        std::string_view left = to_visitor_;
        const std::vector<Message> got = answers_in(left, sent);
        require(left.empty(), "what comes back are good answers to requests");
        std::string_view rest = server_;
        const std::vector<Message> given = answers_in(rest, sent);
        require(got.size() <= given.size(), "an answer comes if there was one");
        std::size_t whole = 0;
        for (std::size_t i = 0; i < got.size(); ++i) {
            require(given[i].body.starts_with(got[i].body), "bodies come as they were sent");
            require(i + 1 == got.size() || given[i].body == got[i].body, "whole answers");
            require(i + 1 == sent.size() || given[i].goes_on,
                    "no request is sent to a server that has closed");
            whole += got[i].is_whole ? 1 : 0;
        }
        return whole;
    }

    void end_as(Filter::AtEnd how)
    {
        is_broken_ = how == Filter::AtEnd::broken;
        require((how == Filter::AtEnd::hand_back) == exchange_->is_done() || is_broken_,
                "it is done if it says so");
    }

    bool move_back()
    {
        std::string_view bytes = server_.substr(server_taken_, server_come_ - server_taken_);
        if (bytes.empty())
            return false;
        if (const auto unseen = exchange_->unseen_back(); passes_unseen_ && unseen > 0) {
            const auto size = std::min<std::uint64_t>(unseen, bytes.size());
            to_visitor_ += bytes.substr(0, size);
            server_taken_ += size;
            exchange_->passed_back(size);
            return true;
        }
        while (!bytes.empty()) {
            const std::size_t before = to_visitor_.size();
            const Filter::Step step = exchange_->back(bytes, to_visitor_);
            require(step.taken <= bytes.size(), "no more is taken than is there");
            require(to_visitor_.size() - before <= step.taken + largest_head + 1024,
                    "no more is sent than is taken");
            server_taken_ += step.taken;
            bytes.remove_prefix(step.taken);
            is_broken_ = step.then == Then::broken;
            is_tunnel_ = step.then == Then::transparent;
            if (is_broken_ || is_tunnel_)
                return true;
            require(step.taken > 0, "all that is shown back is taken");
        }
        return true;
    }

    bool move_forth()
    {
        std::string_view bytes = visitor_.substr(taken_, come_ - taken_);
        if (bytes.empty() || !exchange_->wants_forth())
            return false;
        if (const auto unseen = exchange_->unseen_forth(); passes_unseen_ && unseen > 0) {
            const auto size = std::min<std::uint64_t>(unseen, bytes.size());
            to_origin_ += bytes.substr(0, size);
            taken_ += size;
            exchange_->passed_forth(size);
            return true;
        }
        const std::size_t before = taken_;
        for (Filter::Step step{1}; !bytes.empty() && step.taken > 0 && !is_broken_;) {
            step = exchange_->forth(bytes, to_origin_);
            require(step.taken <= bytes.size(), "no more is taken than is there");
            require(step.then != Then::transparent, "only an answer changes the protocol");
            taken_ += step.taken;
            bytes.remove_prefix(step.taken);
            is_broken_ = step.then == Then::broken;
        }
        return taken_ > before;
    }

    const std::string_view visitor_;
    const std::string_view server_;
    const bool passes_unseen_;
    std::unique_ptr<HttpExchange> exchange_;
    std::optional<HttpExchange::Outcome> outcome_;
    std::string to_origin_;
    std::string to_visitor_;
    std::size_t come_ = 0; // of the visitor's bytes
    std::size_t taken_ = 0;
    std::size_t server_come_ = 0;
    std::size_t server_taken_ = 0;
    bool is_tunnel_ = false;
    bool is_broken_ = false;
};

} // namespace

// What both send, with two NUL between them.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    Input input(data, size);
    const std::uint8_t choice = input.choice();
    const std::uint8_t end = input.choice();
    const std::uint8_t order = input.choice();
    std::array<std::size_t, 2> sizes{};
    for (std::size_t& each : sizes)
        each = std::max<std::size_t>(input.choice() + 1U, input.text().size() / 64);
    constexpr std::string_view between("\0\0", 2);
    const std::size_t middle = std::min(input.text().find(between), input.text().size());
    const std::string_view visitor = input.text().substr(0, middle);
    const std::string_view server =
        input.text().substr(std::min(middle + between.size(), input.text().size()));
    Talk talk(visitor, server, choice);
    if (!talk.is_on())
        return 0;
    talk.check();
    talk.deliver(true, 0);
    for (unsigned i = 0; talk.is_on(); ++i) {
        const bool is_visitors_turn = (order >> i % 8 & 1U) != 0;
        if (!talk.deliver(is_visitors_turn, sizes[is_visitors_turn ? 1 : 0]) &&
            !talk.deliver(!is_visitors_turn, sizes[is_visitors_turn ? 0 : 1]))
            break;
    }
    talk.end(end);
    talk.check_outcome();
    return 0;
}
