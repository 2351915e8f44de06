#include "remote-proxy/fronts/http_visitors.hpp"

#include <ctime>
#include <string>
#include <utility>

#include "common/base/code.hpp"
#include "common/base/log.hpp"
#include "common/transport/socket.hpp"

namespace tunnel {

namespace {

RequestReader::Limits heads_only()
{
    RequestReader::Limits limits;
    limits.heads_only = true;
    return limits;
}

} // namespace

// A connection's place among the others, until it is over or another gets the place.
struct HttpVisitors::Place {
    Place(HttpVisitors& its, Fd socket, const tcp::endpoint& peer)
        : owner(its), visitor(its.io_.get_executor(), std::move(socket), peer)
    {
        enter();
    }

    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

    ~Place() { leave(); }

    void enter()
    {
        slot = owner.pool_.insert(visitor.peer().address(), *this);
        has_slot = true;
    }

    void leave()
    {
        if (std::exchange(has_slot, false))
            owner.pool_.erase(slot);
    }

    // It has been answered: of its address, the others have waited longer.
    void renew()
    {
        if (!has_slot)
            return;
        leave();
        enter();
    }

    HttpVisitors& owner;
    HttpVisitor visitor;
    FairPool<Place>::Slot slot{};
    bool has_slot = false;
};

HttpVisitors::HttpVisitors(Uses uses, Hooks hooks, std::uint16_t https_port,
                           const HttpLimits& limits)
    : io_(uses.io),
      tasks_(uses.tasks),
      webroot_(uses.webroot),
      hooks_(std::move(hooks)),
      rules_{hooks_.find, https_port, webroot_ != nullptr},
      limits_(limits)
{
}

void HttpVisitors::serve(Fd socket, const tcp::endpoint& peer)
{
    make_room();
    try {
        tasks_.spawn("a visitor of the HTTP address",
                     converse(std::make_unique<Place>(*this, std::move(socket), peer)));
    } catch (const std::system_error& error) { // the system watches no more descriptors
        hooks_.on_bad(to_string(peer), error.code().message());
    }
}

void HttpVisitors::make_room()
{
    while (pool_.size() > 0 && pool_.size() >= limits_.connections) {
        Place& goes = *pool_.first_to_go();
        goes.leave();
        goes.visitor.close();
        hooks_.on_bad(to_string(goes.visitor.peer()), "too many connections");
    }
}

awaitable<void> HttpVisitors::converse(std::unique_ptr<Place> place)
{
    try {
        RequestReader reader(heads_only());
        for (int count = 1;; ++count) {
            const bool goes_on = co_await exchange(*place, reader, count);
            if (!goes_on)
                co_return;
            place->renew();
            co_await yield_to_others(); // the next one may be here already
            reader.next();
        }
    } catch (const std::system_error& error) {
        // Not a warning: any visitor can cause as many as it likes.
        if (error.code() == asio::error::operation_aborted)
            throw;
        place->visitor.reset_at_end();
        log::debug("lost a visitor of the HTTP address",
                   {{"code", name_of(code_of(error.code()))}, {"reason", error.what()}});
    }
}

// One request and its answer. Whether another may follow.
awaitable<bool> HttpVisitors::exchange(Place& place, RequestReader& reader, int count)
{
    HttpVisitor& visitor = place.visitor;
    const auto answer = co_await next_answer(visitor, reader, count);
    if (!answer && count > 1) // the one before may still be under way
        co_await visitor.finish(buffer_, Clock::now() + limits_.farewell);
    if (!answer)
        co_return false;
    note(visitor, *answer);
    const bool is_whole = reader.progress() == Progress::whole;
    const bool is_known = is_whole || reader.progress() == Progress::body;
    Sending sending;
    sending.keep_alive = is_whole && reader.request().keep_alive && count < limits_.requests;
    sending.says_keep_alive = is_known && reader.request().is_http_1_0;
    sending.head_only = is_known && reader.request().method == Method::head;
    sending.now = std::time(nullptr);
    const std::string bytes = encode(answer->response, sending);
    co_await visitor.write(bytes, Clock::now() + limits_.head);
    if (!sending.keep_alive)
        co_await visitor.finish(buffer_, Clock::now() + limits_.farewell);
    co_return sending.keep_alive;
}

// To what comes next; nullopt: nothing does.
awaitable<std::optional<HttpAnswer>> HttpVisitors::next_answer(HttpVisitor& visitor,
                                                               RequestReader& reader, int count)
{
    char first = '\0';
    bool in_time = true;
    try {
        first = co_await read_head(visitor, reader, count);
    } catch (const std::system_error& error) {
        if (error.code() != std::errc::timed_out)
            throw;
        in_time = false;
    }
    const Progress progress = reader.progress();
    if (!in_time && progress == Progress::none && count == 1)
        ++counts_.timeout;
    if (!in_time && progress == Progress::head)
        co_return answer_to_timeout();
    if (progress == Progress::none || progress == Progress::head)
        co_return std::nullopt;
    if (progress == Progress::wrong)
        co_return answer_to(reader.problem(), first);
    HttpAnswer answer = answer_to(reader.request(), rules_);
    if (answer.token.empty())
        co_return answer;
    const AcmeFile file = co_await webroot_->read(answer.token);
    co_return answer_to(file);
}

// Until it is whole, or wrong, or the visitor has finished. All of the head has one limit, however
// its bytes come. Answers its first byte, if it had not come with the request before.
awaitable<char> HttpVisitors::read_head(HttpVisitor& visitor, RequestReader& reader, int count)
{
    char first = '\0';
    const bool waits = count > 1 && reader.progress() == Progress::none;
    auto limit = Clock::now() + (waits ? limits_.idle : limits_.head);
    while (reader.progress() == Progress::none || reader.progress() == Progress::head) {
        const std::string_view bytes = co_await visitor.read(buffer_, limit);
        if (bytes.empty())
            break;
        const bool begins = reader.progress() == Progress::none;
        if (begins)
            first = bytes.front();
        reader.put(bytes);
        if (begins && waits && reader.progress() == Progress::head)
            limit = Clock::now() + limits_.head;
    }
    co_return first;
}

void HttpVisitors::note(const HttpVisitor& visitor, const HttpAnswer& answer)
{
    ++(counts_.*answer.counted_as);
    if (!answer.why.empty())
        hooks_.on_bad(to_string(visitor.peer()), answer.why);
}

} // namespace tunnel
