// Who calls at the control address of the remote proxy, up to where it has said and proved who it
// is.
#include "remote-proxy/remote_proxy.hpp"

#include <algorithm>
#include <cerrno>
#include <functional>
#include <memory>
#include <utility>

#include <fmt/format.h>
#include <sys/socket.h>

#include "common/descriptors.hpp"
#include "common/error.hpp"
#include "common/log.hpp"
#include "common/net/socket.hpp"
#include "common/security/proof.hpp"

namespace tunnel {

namespace {

// Accepted in one turn. When there are as many as may be, each makes another one go, and then it is
// one in a turn: so strangers who come without a pause do not keep visitors waiting, and each is
// heard before the next one comes.
constexpr int callers_in_a_turn = 16;

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
    asio::steady_timer timer_;
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

// Out here because fmt 10 checks a format at compile time, and a coroutine's local is no constant.
constexpr std::string_view broken = "lost its data connection: {}";

} // namespace

awaitable<void> RemoteProxy::accept_connections()
{
    while (!control_.is_closed()) {
        co_await control_.wait();
        for (int i = 0; i < callers_in_a_turn && !control_.is_closed(); ++i) {
            std::error_code error;
            if (handshakes_.full())
                co_await yield_to_others();
            auto accepted = control_.accept(error);
            if (accepted) {
                tcp::socket socket(io_);
                socket.assign(accepted->peer.protocol(), accepted->socket.get(), error);
                if (error) {
                    count(accept_failures_, "the control address", error.message());
                    continue;
                }
                accepted->socket.release();
                tasks_.spawn("a connection to the control address",
                             greet(std::move(socket), accepted->peer));
            } else if (error == std::errc::operation_would_block) {
                break;
            } else if (!concerns_one_connection(error)) {
                co_await pause_accepting("the control address", error);
            }
        }
    }
}

// One connection's whole life; what it is, its first frame tells.
awaitable<void> RemoteProxy::greet(tcp::socket socket, tcp::endpoint peer)
{
    Caller caller{std::move(socket), peer.address(), to_string(peer)};
    auto frame = co_await first_frame(caller);
    if (!frame)
        co_return;
    std::string_view objection;
    if (auto* const log_in_frame = std::get_if<LogIn>(&*frame)) {
        if (!caller.data) {
            co_await log_in(std::move(caller), std::move(*log_in_frame));
            co_return;
        }
        objection = "a data connection cannot log in";
    } else if (const auto* const dial_back = std::get_if<DialBack>(&*frame)) {
        if (may_carry(caller, *dial_back)) {
            co_await pair(std::move(caller), dial_back->ticket);
            co_return;
        }
        objection = "a ticket without the proof that it was told to this one";
    } else if (const auto* const parked = std::get_if<Park>(&*frame)) {
        if (may_carry(caller, *parked)) {
            park(std::move(caller), parked->session);
            co_return;
        }
        objection = "a connection of no session, or of one that is gone";
    } else {
        objection = "it began with a frame that is none to begin with";
    }
    count(strangers_, caller.peer, objection);
}

awaitable<std::optional<Frame>> RemoteProxy::first_frame(Caller& caller)
{
    const auto now = Clock::now();
    Handshakes::Place place = handshakes_.enter(caller.socket, caller.address, now);
    caller.place = &place;
    be_woken_at(now + options_.handshake_timeout);
    std::error_code failure;
    std::string words;
    try {
        co_await secure(caller);
        auto frame = co_await read_first_frame(caller.wire());
        co_return std::move(frame);
    } catch (const std::system_error& error) {
        failure = error.code();
        words = error.what();
    }
    const bool is_blocked = blocked_for(caller).count() > 0;
    if (!is_blocked && caller.has_no_key) // also if it hung up before it was told
        note_failure(caller, make_error_code(Errc::no_proof));
    else if (!is_blocked)
        note_failure(caller, failure);
    if (!place.end().empty())
        count(strangers_, caller.peer, place.end());
    else if (failure == asio::error::operation_aborted)
        throw std::system_error(failure);
    else if (is_blocked && caller.has_no_key)
        count(ignored_, caller.peer, "too many log-ins have failed, and it has no good key");
    else if (failure == asio::error::eof) // a health check, or a dial-back that was not needed
        log::debug("a connection ended before it said who it is", {{"peer", caller.peer}});
    else
        count(strangers_, caller.peer, words);
    co_return std::nullopt;
}

OriginLink* RemoteProxy::link_of(const SessionId& session) const
{
    const auto found = std::ranges::find(links_, session, &OriginLink::session);
    return found == links_.end() ? nullptr : *found;
}

Clock::duration RemoteProxy::blocked_for(const Caller& caller) const
{
    return failed_log_ins_.blocked_for(caller.address, Clock::now());
}

// Those who come from an address that has failed, and show no good key, wait before they are told.
// A blocked address does not wait: it is told at once for how long.
awaitable<void> RemoteProxy::slow_down(Caller& caller)
{
    const Clock::duration delay = failed_log_ins_.delay(caller.address, Clock::now());
    if (delay.count() > 0 && blocked_for(caller).count() == 0)
        co_await wait_while_open(caller.socket,
                                 std::min<Clock::duration>(delay, options_.handshake_timeout / 2));
}

// What somebody is told who has no good key.
std::string RemoteProxy::why_refused(const Caller& caller, std::string_view otherwise) const
{
    const auto left = std::chrono::ceil<std::chrono::seconds>(blocked_for(caller));
    if (left.count() == 0)
        return std::string(otherwise);
    return fmt::format("too many log-ins from this address have failed: for {} s it is let in with "
                       "a good secret alone; {}",
                       left.count(), otherwise);
}

// What is no try to log in at all costs little, and says nothing about the secret.
void RemoteProxy::note_failure(const Caller& caller, std::error_code failure)
{
    if (!caller.is_stale && (failure == Errc::no_proof || failure == Errc::handshake_failed)) {
        ++counts_.no_proof;
        failed_log_ins_.failed(caller.address, Clock::now());
    }
}

void RemoteProxy::note_success(const Caller& caller)
{
    failed_log_ins_.succeeded(caller.address);
    key_budget_.succeeded(caller.address);
    signature_budget_.succeeded(caller.address);
}

// Whether it speaks TLS shows in its first byte. One that does not fit is told so in its own way,
// since it is most likely an origin proxy that was started with other options.
awaitable<void> RemoteProxy::secure(Caller& caller)
{
    std::uint8_t first = 0;
    ssize_t size = -1;
    while (size < 0) {
        size = ::recv(caller.socket.native_handle(), &first, 1, MSG_PEEK | MSG_DONTWAIT);
        if (size == 0)
            throw std::system_error(asio::error::eof);
        if (size < 0 && errno == EAGAIN)
            co_await caller.socket.async_wait(tcp::socket::wait_read, use_awaitable);
        else if (size < 0 && errno != EINTR)
            throw std::system_error(errno, std::system_category());
    }
    const bool tls = first == tls_first_byte;
    if (tls && trust_.encrypts()) {
        co_await shake_hands(caller);
    } else if (tls) {
        co_await say_last(caller.wire(), std::string(no_encryption_here));
        fail(make_error_code(Errc::not_our_protocol), "TLS, and there is neither secret nor "
                                                      "certificate here, or --encryption off");
    } else if (trust_.encrypts() && first == magic.front()) {
        caller.has_no_key = true;
        co_await slow_down(caller);
        const std::string_view words =
            trust_.has_secrets()
                ? "the remote proxy takes encrypted connections only: give the origin proxy the "
                  "same --secret-file, and no --encryption off"
                : "the remote proxy takes encrypted connections only, and has a certificate: give "
                  "the origin proxy --tls-ca with the authority of that, and neither a secret nor "
                  "--encryption off";
        const Reject rejection{RejectReason::not_trusted, why_refused(caller, words)};
        co_await say_last(caller.wire(), encode(rejection));
        fail(make_error_code(Errc::no_proof), "not encrypted");
    } else if (trust_.encrypts()) {
        throw std::system_error(make_error_code(Errc::not_our_protocol));
    }
}

// Decides what a ClientHello may cost.
class RemoteProxy::Gate final : public HelloGate {
public:
    Gate(RemoteProxy& proxy, Caller& caller) : proxy_(proxy), caller_(caller) {}

    awaitable<bool> admit(Offer offer) override
    {
        any_key_ = offer.any_key;
        return proxy_.admit(caller_, offer, turn_);
    }

    // What the origin proxy came with, and what would have been right, as far as it is known.
    std::string_view why_no_key_fits() const
    {
        if (any_key_ && !proxy_.trust_.has_secrets())
            return "the origin proxy has a secret, and the remote proxy none but a certificate: "
                   "give the origin proxy --tls-ca instead of its secret, or the remote proxy the "
                   "same --secret-file instead of its certificate";
        if (!any_key_ && !proxy_.trust_.shows_certificate())
            return "the remote proxy asks for a secret and has no certificate: give the origin "
                   "proxy the same --secret-file, instead of --tls-ca and other options of "
                   "certificates";
        return unknown_secret;
    }

    void answered(Clock::duration took) override
    {
        if (turn_)
            turn_->pay(took);
        turn_.reset();
    }

private:
    RemoteProxy& proxy_;
    Caller& caller_;
    std::optional<HandshakeBudget::Turn> turn_;
    bool any_key_ = false;
};

// Data connections that are expected go on at once, since visitors wait for them. A key that nobody
// has here costs nothing more. All others wait until there is time for them.
awaitable<bool> RemoteProxy::admit(Caller& caller, HelloGate::Offer offer,
                                   std::optional<HandshakeBudget::Turn>& turn)
{
    const bool wants_certificate = !offer.any_key && trust_.shows_certificate();
    if (!offer.known_key && !wants_certificate) {
        caller.has_no_key = !caller.is_stale;
        if (caller.has_no_key)
            co_await slow_down(caller);
        co_return false;
    }
    if (caller.place->is_expected())
        co_return true;
    if (offer.known_key)
        caller.place->keep();
    HandshakeBudget& budget = offer.known_key ? key_budget_ : signature_budget_;
    std::function<void()> wake = [&caller] {
        std::error_code ignored;
        caller.socket.cancel(ignored);
    };
    turn.emplace(budget, caller.address, std::move(wake));
    co_await wait_for(*turn, caller.socket);
    co_return true;
}

awaitable<void> RemoteProxy::shake_hands(Caller& caller)
{
    Handshake::FindKey find = [this, &caller](std::string_view identity) {
        auto key = key_of(identity);
        const auto of_data = parse_data_identity(identity);
        caller.is_stale =
            !key && of_data &&
            std::ranges::find(former_sessions_, of_data->session) != former_sessions_.end();
        // A round trip goes by until it is proved, and visitors who come at once must not push each
        // other's connections out meanwhile. There are as many as visitors wait, or are parked.
        if (key && of_data)
            caller.place->expect(of_data->once,
                                 room_.size() + parking_capacity(options_.descriptor_limit));
        return key;
    };
    Gate gate(*this, caller);
    Handshake handshake(trust_.context(), caller.socket.native_handle(), std::move(find));
    handshake.set_gate(gate);
    std::exception_ptr failure;
    try {
        co_await handshake.run(caller.socket);
    } catch (const std::system_error& error) {
        if (error.code() != Errc::handshake_failed && error.code() != Errc::no_proof)
            throw;
        failure = std::current_exception();
    }
    if (failure) {
        // The library has told the peer with an alert; what follows it is in clear, and for our own
        // kind. Closing at once would be a reset, if the peer has said more already, and it would
        // not read the reason.
        std::string words;
        if (caller.has_no_key)
            words = encode(
                Reject{RejectReason::not_trusted, why_refused(caller, gate.why_no_key_fits())});
        co_await say_last(caller.wire(), std::move(words));
        if (caller.has_no_key)
            fail(make_error_code(Errc::no_proof), std::string(gate.why_no_key_fits()));
        std::rethrow_exception(failure);
    }
    caller.data = parse_data_identity(handshake.identity());
    if (!caller.data) {
        // What was recorded of it must stay closed to whoever gets hold of the secret later.
        if (!handshake.fresh_exchange())
            fail(make_error_code(Errc::handshake_failed), "no fresh key exchange");
        if (const auto control = parse_control_identity(handshake.identity())) {
            const NamedSecret* const secret = trust_.find(control->credential);
            if (secret == nullptr) // it was taken away meanwhile
                throw std::system_error(make_error_code(Errc::no_proof));
            caller.identity.name = secret->name;
            caller.identity.credential = control->credential;
            caller.identity.is_only = secret->is_only;
        } else {
            caller.identity.name = handshake.certificate_name();
        }
        caller.identity.session_key = handshake.exporter(exporter_label);
    }
    caller.tls = handshake.take();
}

std::optional<Key> RemoteProxy::key_of(std::string_view identity) const
{
    if (const auto control = parse_control_identity(identity)) {
        if (const NamedSecret* const secret = trust_.find(control->credential))
            return secret->credential.tls;
    } else if (const auto data = parse_data_identity(identity)) {
        const OriginLink* const link = link_of(data->session);
        if (link != nullptr && link->identity.session_key)
            return data_key(data->session, *link->identity.session_key, data->once).key;
    }
    return std::nullopt;
}

// The ticket alone is good only where nobody was asked for more, and else only for the origin proxy
// that was told it.
bool RemoteProxy::may_carry(const Caller& caller, const DialBack& dial_back) const
{
    const OriginLink* const told = link_of(room_.told_to(dial_back.ticket));
    if (caller.tls)
        return caller.data && caller.data->once == dial_back.ticket.bytes &&
               (told == nullptr || told->session == caller.data->session);
    if (!trust_.wants_proof())
        return true;
    return told != nullptr && told->identity.session_key && dial_back.proof &&
           equal(*dial_back.proof, prove_dial_back(*told->identity.session_key, dial_back.ticket));
}

bool RemoteProxy::may_carry(const Caller& caller, const Park& park)
{
    OriginLink* const link = link_of(park.session);
    if (link == nullptr)
        return false;
    if (caller.tls)
        return caller.data && caller.data->session == park.session;
    if (!trust_.wants_proof())
        return true;
    return link->identity.session_key && park.numbered &&
           equal(park.numbered->proof,
                 prove_park(*link->identity.session_key, park.numbered->number)) &&
           link->used_numbers.use(park.numbered->number);
}

awaitable<void> RemoteProxy::pair(Caller caller, Ticket ticket)
{
    bool gone = false;
    auto on_gone = [&caller, &gone] {
        gone = true;
        std::error_code ignored;
        caller.socket.close(ignored);
    };
    const OriginLink* const link = link_of(room_.told_to(ticket));
    auto claim = room_.claim(ticket, on_gone);
    if (!claim) {
        count(strangers_, caller.peer, make_error_code(Errc::unknown_ticket).message());
        co_return;
    }
    reset_on_close(caller.socket.native_handle());
    // Whose it is, whoever is logged in when it has started.
    const std::optional<SessionId> session = link != nullptr ? link->session : std::nullopt;
    const auto carrier = link != nullptr ? link->carrier : std::make_shared<const Carrier>();
    const OriginId origin = carrier->origin;
    std::string failure;
    bool refused = false;
    try {
        const Frame frame = co_await read_frame(caller.wire());
        const auto* const refuse = std::get_if<Refuse>(&frame);
        refused = refuse != nullptr;
        if (refused)
            failure = refuse->text.empty() ? "refused by the origin proxy" : refuse->text;
        else if (!std::holds_alternative<Start>(frame))
            failure = fmt::format(broken, make_error_code(Errc::unexpected_frame).message());
    } catch (const std::system_error& error) {
        failure = fmt::format(broken, error.code().message());
    }
    if (gone) // and told by whoever let the visitor go
        co_return;
    auto visitor = claim->take();
    if (!visitor)
        co_return;
    if (failure.empty() && !trusts(carrier->credential, carrier->secret))
        failure = "the origin proxy is trusted no longer";
    if (failure.empty()) {
        relay(std::move(*visitor), caller.release(), session, carrier);
    } else if (refused) {
        on_refusal(std::move(*visitor), origin, failure);
    } else {
        on_broken(std::move(*visitor), origin, failure);
    }
}

void RemoteProxy::park(Caller caller, const SessionId& session)
{
    reset_on_close(caller.socket.native_handle());
    if (OriginLink* const link = link_of(session))
        link->parked.put(caller.release());
}

} // namespace tunnel
