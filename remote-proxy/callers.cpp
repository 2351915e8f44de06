// Who calls at the control address of the remote proxy, up to where it has said and proved who it
// is.
#include "remote-proxy/remote_proxy.hpp"

#include <algorithm>
#include <cerrno>
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

// A first frame takes one read, or two if it is long, and each that must wait is a turn; then some.
constexpr int turns_to_be_heard = 8;

} // namespace

awaitable<void> RemoteProxy::accept_connections()
{
    for (;;) {
        co_await control_.wait();
        for (int i = 0; i < accept_batch; ++i) {
            std::error_code error;
            // Those that are full of what they have to say make room by being heard.
            for (int turn = 0; turn < turns_to_be_heard && handshakes_.full(); ++turn)
                co_await yield_to_others();
            auto accepted = control_.accept(error);
            if (accepted && is_ignored(accepted->peer.address())) {
                count(ignored_, to_string(accepted->peer), "too many failed log-ins");
                reset(accepted->socket);
            } else if (accepted) {
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
    Handshakes::Place place = handshakes_.enter(caller.socket, now);
    caller.place = &place;
    be_woken_at(now + options_.handshake_timeout);
    std::error_code failure;
    std::string words;
    try {
        co_await slow_down(caller);
        co_await secure(caller);
        auto frame = co_await read_first_frame(caller.wire());
        co_return std::move(frame);
    } catch (const std::system_error& error) {
        failure = error.code();
        words = error.what();
    }
    note_failure(caller, failure);
    if (!place.end().empty())
        count(strangers_, caller.peer, place.end());
    else if (failure == asio::error::operation_aborted)
        throw std::system_error(failure);
    else if (failure == asio::error::eof) // a health check, or a dial-back that was not needed
        log::debug("a connection ended before it said who it is", {{"peer", caller.peer}});
    else
        count(strangers_, caller.peer, words);
    co_return std::nullopt;
}

// Then it is neither slowed nor ignored, whoever else comes from there: several may share it.
bool RemoteProxy::has_logged_in(const asio::ip::address& address) const
{
    const Cidr subscriber = subscriber_of(address);
    return std::ranges::any_of(links_, [&subscriber](const OriginLink* link) {
        return subscriber_of(link->connection.peer().address()) == subscriber;
    });
}

OriginLink* RemoteProxy::link_of(const SessionId& session) const
{
    const auto found = std::ranges::find(links_, session, &OriginLink::session);
    return found == links_.end() ? nullptr : *found;
}

bool RemoteProxy::is_ignored(const asio::ip::address& address) const
{
    return failed_log_ins_.ignored(address, Clock::now()) && !has_logged_in(address);
}

awaitable<void> RemoteProxy::slow_down(const Caller& caller)
{
    const auto delay = failed_log_ins_.delay(caller.address, Clock::now());
    if (delay.count() == 0 || has_logged_in(caller.address))
        co_return;
    co_await sleep_for(std::min<Clock::duration>(delay, options_.handshake_timeout / 2));
    if (!caller.socket.is_open())
        throw std::system_error(asio::error::operation_aborted);
    if (is_ignored(caller.address)) // those failed that came with it
        throw std::system_error(make_error_code(Errc::no_proof));
}

// What is no try to log in at all costs little, and says nothing about the secret.
void RemoteProxy::note_failure(const Caller& caller, std::error_code failure)
{
    if (!caller.is_stale && (failure == Errc::no_proof || failure == Errc::handshake_failed)) {
        ++counts_.no_proof;
        failed_log_ins_.failed(caller.address, Clock::now());
    }
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
        const Reject rejection{RejectReason::not_trusted,
                               "the remote proxy takes encrypted connections only: give the origin "
                               "proxy the same --secret-file, or what its certificate needs, and "
                               "no --encryption off"};
        co_await say_last(caller.wire(), encode(rejection));
        fail(make_error_code(Errc::no_proof), "not encrypted");
    } else if (trust_.encrypts()) {
        throw std::system_error(make_error_code(Errc::not_our_protocol));
    }
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
    Handshake handshake(trust_.context(), caller.socket.native_handle(), std::move(find));
    std::exception_ptr failure;
    try {
        co_await handshake.run(caller.socket);
    } catch (const std::system_error& error) {
        if (error.code() != Errc::handshake_failed && error.code() != Errc::no_proof)
            throw;
        failure = std::current_exception();
    }
    if (failure) {
        // The library has told the peer why. Closing at once would be a reset, if the peer has said
        // more already, and it would not read the reason.
        co_await say_last(caller.wire(), {});
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
    constexpr std::string_view broken = "lost its data connection: {}";
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
