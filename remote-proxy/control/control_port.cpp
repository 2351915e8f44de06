#include "remote-proxy/control/control_port.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "common/base/counted.hpp"
#include "common/base/error.hpp"
#include "common/base/log.hpp"
#include "common/security/proof.hpp"
#include "common/transport/socket.hpp"
#include "remote-proxy/control/greeting.hpp"

namespace tunnel {

namespace {

// Accepted in one turn. When there are as many as may be, each makes another one go, and then it is
// one in a turn: so strangers who come without a pause do not keep visitors waiting, and each is
// heard before the next one comes.
constexpr int accepted_in_a_turn = 16;

// Peers that are being told why they are rejected.
constexpr std::size_t most_waited_for = 4;

// Ends what waits for the socket when the time is up, unless it has been destroyed before.
class WakeUp {
public:
    WakeUp(tcp::socket& socket, Clock::duration after)
        : target_(std::make_shared<tcp::socket*>(&socket)), timer_(socket.get_executor(), after)
    {
        timer_.async_wait([target = target_](std::error_code error) {
            // The timer may learn too late that it is not wanted any more.
            if (error || *target == nullptr)
                return;
            std::error_code ignored;
            std::exchange(*target, nullptr)->cancel(ignored);
        });
    }

    WakeUp(const WakeUp&) = delete;
    WakeUp& operator=(const WakeUp&) = delete;

    ~WakeUp() { *target_ = nullptr; }

    bool passed() const { return *target_ == nullptr; }

private:
    std::shared_ptr<tcp::socket*> target_; // null: none any more
    Timer timer_;
};

// Throws std::system_error if the socket is closed, or the peer resets it, before the time is up:
// so that nothing stays in memory of those who were sent away.
awaitable<void> wait_while_open(tcp::socket& socket, Clock::duration duration)
{
    const WakeUp wake_up(socket, duration);
    std::error_code error;
    co_await socket.async_wait(tcp::socket::wait_error, redirect_error(use_awaitable, error));
    if (!wake_up.passed())
        throw std::system_error(error ? error : make_error_code(asio::error::connection_reset));
}

} // namespace

ControlPort::ControlPort(asio::io_context& io, Listener listener, Options options, Uses uses,
                         OnArrival on_arrival)
    : io_(io),
      listener_(std::move(listener)),
      options_(std::move(options)),
      uses_(uses),
      on_arrival_(std::move(on_arrival)),
      handshakes_(options_.most_handshakes),
      failed_log_ins_(options_.never_blocked),
      key_budget_(io.get_executor(), HandshakeBudget::Options()),
      signature_budget_(io.get_executor(), HandshakeBudget::Options())
{
}

void ControlPort::start()
{
    listener_.open();
    uses_.tasks.spawn("accepting connections of the origin proxies", accept_connections());
}

std::optional<Clock::time_point> ControlPort::next_deadline() const
{
    const auto oldest = handshakes_.oldest();
    return oldest ? std::optional(*oldest + options_.handshake_timeout) : std::nullopt;
}

void ControlPort::expire(Clock::time_point now)
{
    handshakes_.expire(now - options_.handshake_timeout);
}

awaitable<void> ControlPort::accept_connections()
{
    while (!listener_.is_closed()) {
        co_await listener_.wait();
        for (int i = 0; i < accepted_in_a_turn && !listener_.is_closed(); ++i) {
            std::error_code error;
            if (handshakes_.full())
                co_await yield_to_others();
            auto accepted = listener_.accept(error);
            if (accepted) {
                tcp::socket socket(io_);
                socket.assign(accepted->peer.protocol(), accepted->socket.get(), error);
                if (error) {
                    uses_.tallies.count(uses_.tallies.accept_failures, "the control address",
                                        error.message(), code_of(error));
                    continue;
                }
                accepted->socket.release();
                uses_.tasks.spawn("a connection to the control address",
                                  greet(std::move(socket), accepted->peer));
            } else if (error == std::errc::operation_would_block) {
                break;
            } else if (!concerns_one_connection(error)) {
                co_await pause_accepting(uses_.tallies, "the control address", error);
            }
        }
    }
}

// One connection's whole life.
awaitable<void> ControlPort::greet(tcp::socket socket, tcp::endpoint peer)
{
    auto arrival = co_await authenticate(std::move(socket), peer);
    if (arrival)
        co_await on_arrival_(std::move(*arrival));
}

Handshakes::Place ControlPort::admit(Connection& connection)
{
    const auto now = Clock::now();
    uses_.alarm.ring_by(now + options_.handshake_timeout);
    return handshakes_.enter(connection.channel.socket(), connection.address, now);
}

// ---- What it is

// nullopt: nobody whom we know, and that is noted.
awaitable<std::optional<ControlPort::Arrival>> ControlPort::authenticate(tcp::socket socket,
                                                                         tcp::endpoint peer)
{
    Connection connection{std::move(socket), peer.address(), to_string(peer)};
    std::optional<Frame> frame;
    {
        Greeting greeting(*this, connection);
        frame = co_await greeting.first_frame();
    }
    if (!frame)
        co_return std::nullopt;
    Reason objection_to_it;
    if (auto* const log_in = std::get_if<LogIn>(&*frame)) {
        if (!connection.data) {
            auto rejection = objection(*log_in);
            if (!rejection)
                rejection = co_await challenge(connection, *log_in);
            connection.identity.own_name = log_in->name;
            AsksToLogIn asks{std::move(connection), std::move(*log_in), std::move(rejection)};
            co_return Arrival(std::move(asks));
        }
        objection_to_it = {Code::protocol_error, "a data connection cannot log in"};
    } else if (const auto* const dial_back = std::get_if<DialBack>(&*frame)) {
        if (may_carry(connection, *dial_back)) {
            DialsBack dials{std::move(connection), dial_back->ticket};
            co_return Arrival(std::move(dials));
        }
        objection_to_it = {Code::unknown_ticket,
                           "a ticket without the proof that it was told to this one"};
    } else if (const auto* const park = std::get_if<Park>(&*frame)) {
        if (may_carry(connection, *park)) {
            Parks parks{std::move(connection), park->session};
            co_return Arrival(std::move(parks));
        }
        objection_to_it = {Code::unknown_ticket,
                           "a connection of no session, or of one that is gone"};
    } else {
        objection_to_it = {Code::protocol_error,
                           "it began with a frame that is none to begin with"};
    }
    uses_.tallies.count(uses_.tallies.strangers, connection.peer, objection_to_it.text,
                        objection_to_it.code);
    co_return std::nullopt;
}

// Where there is a secret but no encryption: both sides prove that they know it, this one first, so
// that the origin proxy tells nobody else which visitors it would take.
awaitable<std::optional<Reject>> ControlPort::prove(Connection& connection, const LogIn& log_in)
{
    const TrustedOrigins& trust = uses_.trust;
    if (connection.channel.is_encrypted()) {
        if (trust.trusts(connection.identity.name, connection.identity.credential))
            co_return std::nullopt;
        co_return Reject{RejectReason::not_trusted, "its secret is no longer good"};
    }
    if (!trust.wants_proof() && !trust.encrypts()) {
        if (!log_in.claimed)
            co_return std::nullopt;
        co_return Reject{RejectReason::not_trusted,
                         "the remote proxy has no secret: give it the same --secret-file, or the "
                         "origin proxy none"};
    }
    Handshakes::Place place = admit(connection);
    const NamedSecret* const found =
        log_in.claimed ? trust.find(log_in.claimed->credential) : nullptr;
    if (found == nullptr) {
        const std::string_view words =
            log_in.claimed ? unknown_secret
                           : "the remote proxy asks for a secret: give the origin proxy the same "
                             "--secret-file, and --encryption off as there";
        const Reject unknown{RejectReason::not_trusted, why_refused(connection, words)};
        try {
            co_await slow_down(connection);
        } catch (const std::system_error& error) {
            if (error.code() == asio::error::operation_aborted &&
                connection.channel.socket().is_open())
                throw;
        }
        co_return unknown;
    }
    // Whoever names a secret, which is public, is asked for the proof, and may take his time.
    place.keep();
    const NamedSecret secret = *found; // the files may be read again meanwhile
    const RandomBytes nonce = random_bytes();
    const Key& key = secret.credential.log_in;
    const Challenge asked{nonce, tunnel::prove(key, Role::remote, log_in, nonce)};
    try {
        co_await send(connection.channel, encode(asked));
        const Frame answer = co_await read_frame(connection.channel);
        const auto* const proof = std::get_if<Proof>(&answer);
        if (proof == nullptr ||
            !equal(proof->proof, tunnel::prove(key, Role::origin, log_in, nonce)))
            co_return Reject{RejectReason::not_trusted, std::string(unknown_secret)};
    } catch (const std::system_error& error) {
        // Not to be logged by itself: strangers can make as many as they like.
        if (error.code() == asio::error::operation_aborted && connection.channel.socket().is_open())
            throw;
        co_return Reject{RejectReason::not_trusted, "no proof of the secret in time"};
    }
    connection.identity = {secret.name, secret.credential.id, session_key(key, log_in, nonce)};
    connection.identity.is_only = secret.is_only;
    co_return std::nullopt;
}

awaitable<std::optional<Reject>> ControlPort::challenge(Connection& connection, const LogIn& log_in)
{
    auto rejection = co_await prove(connection, log_in);
    if (!rejection)
        note_success(connection);
    else if (blocked_for(connection).count() == 0)
        note_failure(connection);
    co_return rejection;
}

std::optional<Key> ControlPort::key_of(std::string_view identity) const
{
    if (const auto control = parse_control_identity(identity)) {
        if (const NamedSecret* const secret = uses_.trust.find(control->credential))
            return secret->credential.tls;
    } else if (const auto data = parse_data_identity(identity)) {
        const OriginLink* const link = uses_.links.find(data->session);
        if (link != nullptr && link->identity.session_key)
            return data_key(data->session, *link->identity.session_key, data->once).key;
    }
    return std::nullopt;
}

OriginLink* ControlPort::announced_to(const Ticket& ticket) const
{
    return uses_.links.find(uses_.room.announced_to(ticket));
}

// The ticket alone is good only where nobody was asked for more, and else only for the origin proxy
// that was told it.
bool ControlPort::may_carry(const Connection& connection, const DialBack& dial_back) const
{
    const OriginLink* const told = announced_to(dial_back.ticket);
    if (connection.channel.is_encrypted())
        return connection.data && connection.data->once == dial_back.ticket.bytes &&
               (told == nullptr || told->session == connection.data->session);
    if (!uses_.trust.wants_proof())
        return true;
    return told != nullptr && told->identity.session_key && dial_back.proof &&
           equal(*dial_back.proof, prove_dial_back(*told->identity.session_key, dial_back.ticket));
}

bool ControlPort::may_carry(const Connection& connection, const Park& park) const
{
    OriginLink* const link = uses_.links.find(park.session);
    if (link == nullptr)
        return false;
    if (connection.channel.is_encrypted())
        return connection.data && connection.data->session == park.session;
    if (!uses_.trust.wants_proof())
        return true;
    return link->identity.session_key && park.numbered &&
           equal(park.numbered->proof,
                 prove_park(*link->identity.session_key, park.numbered->number)) &&
           link->used_numbers.use(park.numbered->number);
}

// ---- Those who have failed

Clock::duration ControlPort::blocked_for(const Connection& connection) const
{
    return failed_log_ins_.blocked_for(connection.address, Clock::now());
}

// Those who come from an address that has failed, and show no good key, wait before they are told.
// A blocked address does not wait: it is told at once for how long.
awaitable<void> ControlPort::slow_down(Connection& connection)
{
    const Clock::duration delay = failed_log_ins_.delay(connection.address, Clock::now());
    if (delay.count() > 0 && blocked_for(connection).count() == 0)
        co_await wait_while_open(connection.channel.socket(),
                                 std::min<Clock::duration>(delay, options_.handshake_timeout / 2));
}

// What somebody is told who has no good key.
std::string ControlPort::why_refused(const Connection& connection, std::string_view otherwise) const
{
    const auto time_left = std::chrono::ceil<std::chrono::seconds>(blocked_for(connection));
    if (time_left.count() == 0)
        return std::string(otherwise);
    return fmt::format("too many log-ins from this address have failed: for {} s it is let in with "
                       "a good secret alone; {}",
                       time_left.count(), otherwise);
}

void ControlPort::note_failure(const Connection& connection)
{
    ++failures_;
    failed_log_ins_.failed(connection.address, Clock::now());
}

void ControlPort::note_success(const Connection& connection)
{
    failed_log_ins_.succeeded(connection.address);
    key_budget_.succeeded(connection.address);
    signature_budget_.succeeded(connection.address);
}

// Frames of the peer may be unread, so that closing at once would be a reset.
awaitable<void> ControlPort::say_last(AsyncChannel& channel, std::string bytes)
{
    if (saying_last_ >= most_waited_for) {
        channel.send_at_once(bytes);
        co_return;
    }
    const Counted counted(saying_last_);
    co_await send_last(channel, std::move(bytes));
}

} // namespace tunnel
