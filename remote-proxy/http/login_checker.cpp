#include "remote-proxy/http/login_checker.hpp"

#include <algorithm>
#include <set>
#include <system_error>
#include <thread>
#include <utility>

#include "common/base/log.hpp"
#include "common/http/basic_credentials.hpp"
#include "remote-proxy/http/password_hash.hpp"

namespace tunnel {

// One password, which the thread has until it says what it is.
struct LoginChecker::Job {
    PrivateText password;
    std::string hash;
};

// A login, and those who wait for it.
struct LoginChecker::Check {
    std::shared_ptr<Job> job;
    std::string user;
    bool is_of_user; // the hash is, and does not stand in for that of an unknown one
    asio::ip::address from;
    Clock::time_point begun;
    Mac digest;
    std::set<Id> callers{};
    bool waits = true;
    FairPool<Check>::Slot slot{};
    Place place{};
};

// What a request says, understood.
struct LoginChecker::Login {
    BasicCredentials credentials;
    const Logins::Login* of_user; // null: there is no such user
    std::string hash;
    Mac digest;
};

namespace {

Key fresh_login_key()
{
    Key key;
    for (std::size_t begin = 0; begin < Key::size; begin += RandomBytes{}.size())
        std::ranges::copy(random_bytes(), key.bytes.begin() + static_cast<std::ptrdiff_t>(begin));
    return key;
}

// No hash has a line end, and no name a colon: two logins are never the same text. Nor are those of
// a user and of somebody who has the same name elsewhere, or has been removed.
PrivateText text_of(const BasicCredentials& credentials, const std::string& hash, bool is_of_user)
{
    const std::string_view password = credentials.password.view();
    const std::string_view beginning = is_of_user ? "user\n" : "nobody\n";
    std::string text;
    text.reserve(beginning.size() + hash.size() + credentials.user.size() + password.size() + 2);
    text.append(beginning).append(hash).append("\n");
    text.append(credentials.user).append(":").append(password);
    return PrivateText(std::move(text));
}

} // namespace

class LoginChecker::Thread {
public:
    using Told = std::function<void(PasswordIs)>;

    explicit Thread(asio::io_context& caller) : caller_(caller), thread_([this] { io_.run(); }) {}

    Thread(const Thread&) = delete;
    Thread& operator=(const Thread&) = delete;

    ~Thread()
    {
        io_.stop();
        thread_.join();
    }

    // Calls `told` on the caller's thread, which has something to do until then.
    void begin(std::shared_ptr<Job> job, Told told)
    {
        asio::post(io_, [this, job = std::move(job), told = std::move(told),
                         caller_is_needed = asio::make_work_guard(caller_)]() mutable {
            const PasswordIs password_is = check_password(job->password, job->hash);
            job.reset();
            asio::post(caller_, [told = std::move(told), password_is] { told(password_is); });
        });
    }

private:
    asio::io_context& caller_;
    asio::io_context io_{1};
    asio::executor_work_guard<asio::io_context::executor_type> io_stays_{io_.get_executor()};
    std::thread thread_; // last: starts when all the rest is there
};

LoginChecker::LoginChecker(asio::io_context& io) : io_(io), cache_key_(fresh_login_key()) {}

LoginChecker::~LoginChecker()
{
    stop();
}

std::optional<LoginChecker::Login> LoginChecker::read(const Request& request) const
{
    auto credentials = parse_basic_credentials(request.authorization);
    if (!credentials)
        return std::nullopt;
    const Logins::Login* const of_user = request.logins->find(credentials->user);
    const std::string& hash = (of_user != nullptr ? *of_user : request.logins->first()).hash;
    const Mac digest = mac(cache_key_, text_of(*credentials, hash, of_user != nullptr).view());
    return Login{std::move(*credentials), of_user, hash, digest};
}

std::optional<LoginChecker::Result> LoginChecker::known(const Request& request,
                                                        Clock::time_point now)
{
    const auto login = read(request);
    return login ? known(*login, request.from, now) : Result{};
}

std::optional<LoginChecker::Result>
LoginChecker::known(const Login& login, const asio::ip::address& from, Clock::time_point now)
{
    if (known_.contains(login.digest, now))
        return Result{Outcome::let_in, login.credentials.user};
    // A browser opens several connections at once: the same login is one attempt.
    if (by_login_.contains(login.digest))
        return std::nullopt;
    const Clock::duration wait = attempts_.wait(from, now);
    if (wait > Clock::duration(0))
        return Result{Outcome::too_many, {}, std::chrono::ceil<std::chrono::seconds>(wait)};
    return std::nullopt;
}

LoginChecker::Id LoginChecker::check(const Request& request, Clock::time_point now, Done done)
{
    const Id id = ++latest_;
    if (stopped_)
        return id;
    callers_.emplace(id, Caller{std::move(done), std::nullopt});
    auto login = read(request);
    const auto result = login ? known(*login, request.from, now) : Result{};
    if (result) {
        answer(id, *result);
        return id;
    }
    const auto same = by_login_.find(login->digest);
    const bool is_new = same == by_login_.end();
    if (is_new && !make_room(request.from)) {
        answer(id, Result{Outcome::busy});
        return id;
    }
    const Place check = is_new ? enqueue(std::move(*login), request.from, now) : same->second;
    check->callers.insert(id);
    callers_.at(id).check = check;
    begin_next();
    return id;
}

// For one more that waits. Whoever has the most there loses his latest.
bool LoginChecker::make_room(const asio::ip::address& address)
{
    if (by_address_.size() < most_waiting)
        return true;
    Check* const given_up = by_address_.to_give_up_for(address);
    if (given_up != nullptr)
        drop(given_up->place);
    return given_up != nullptr;
}

LoginChecker::Place LoginChecker::enqueue(Login login, const asio::ip::address& from,
                                          Clock::time_point now)
{
    attempts_.count(from, now);
    BasicCredentials& credentials = login.credentials;
    Job job{std::move(credentials.password), std::move(login.hash)};
    Check fresh{std::make_shared<Job>(std::move(job)),
                std::move(credentials.user),
                login.of_user != nullptr,
                from,
                now,
                login.digest};
    const Place check = checks_.insert(checks_.end(), std::move(fresh));
    check->place = check;
    check->slot = by_address_.insert(from, *check);
    by_login_.emplace(check->digest, check);
    auto& of_address = waiting_[subscriber_of(from)];
    if (of_address.empty())
        turns_.push_back(subscriber_of(from));
    of_address.push_back(check);
    return check;
}

void LoginChecker::begin_next()
{
    while (!is_checking_ && !turns_.empty()) {
        const Cidr from = turns_.front();
        const Place check = waiting_.at(from).front();
        try {
            if (!thread_)
                thread_ = std::make_unique<Thread>(io_);
        } catch (const std::system_error& error) {
            log::warn("cannot check a login", {{"reason", error.what()}});
            drop(check);
            continue;
        }
        leave_queue(check);
        if (waiting_.contains(from)) { // the others have their turn first
            turns_.pop_front();
            turns_.push_back(from);
        }
        is_checking_ = true;
        thread_->begin(std::move(check->job),
                       [this, check, lives = std::weak_ptr<bool>(lives_)](PasswordIs password_is) {
                           if (!lives.expired())
                               finish(check, password_is);
                       });
    }
}

void LoginChecker::finish(Place check, PasswordIs password_is)
{
    is_checking_ = false;
    if (password_is == PasswordIs::unknown)
        log::warn("cannot check a login", {{"reason", "libcrypt cannot compute its hash"}});
    const bool is_right = password_is == PasswordIs::right && check->is_of_user;
    Result result;
    if (is_right) {
        known_.add(check->digest, check->begun);
        result = Result{Outcome::let_in, check->user};
    } else if (password_is == PasswordIs::unknown) {
        result.outcome = Outcome::busy;
    }
    if (result.outcome != Outcome::refused)
        attempts_.take_back(check->from);
    answer_all(check, result);
    begin_next();
}

// One that waits.
void LoginChecker::drop(Place check)
{
    attempts_.take_back(check->from);
    leave_queue(check);
    answer_all(check, Result{Outcome::busy});
}

void LoginChecker::leave_queue(Place check)
{
    check->waits = false;
    by_address_.erase(check->slot);
    const auto of_address = waiting_.find(subscriber_of(check->from));
    std::erase(of_address->second, check);
    if (!of_address->second.empty())
        return;
    std::erase(turns_, of_address->first);
    waiting_.erase(of_address);
}

void LoginChecker::answer_all(Place check, const Result& result)
{
    for (const Id id : check->callers)
        answer(id, result);
    by_login_.erase(check->digest);
    checks_.erase(check);
}

void LoginChecker::answer(Id id, Result result)
{
    callers_.at(id).check.reset();
    asio::post(io_, [this, id, lives = std::weak_ptr<bool>(lives_), result = std::move(result)] {
        if (lives.expired())
            return;
        auto caller = callers_.extract(id);
        if (!caller.empty())
            caller.mapped().done(result);
    });
}

void LoginChecker::cancel(Id id)
{
    const auto caller = callers_.extract(id);
    if (caller.empty() || !caller.mapped().check)
        return;
    const Place check = *caller.mapped().check;
    check->callers.erase(id);
    if (check->callers.empty() && check->waits)
        drop(check);
}

void LoginChecker::stop()
{
    stopped_ = true;
    lives_.reset();
    thread_.reset();
    callers_.clear();
    waiting_.clear();
    turns_.clear();
    by_login_.clear();
    for (const Check& each : checks_) {
        if (each.waits)
            by_address_.erase(each.slot);
    }
    checks_.clear();
    known_.clear();
}

} // namespace tunnel
