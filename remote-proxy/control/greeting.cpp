#include "remote-proxy/control/greeting.hpp"

#include <cerrno>
#include <cstdint>
#include <exception>
#include <functional>
#include <string>
#include <utility>

#include <sys/socket.h>

#include "common/base/error.hpp"
#include "common/base/log.hpp"

namespace tunnel {

awaitable<std::optional<Frame>> ControlPort::Greeting::first_frame()
{
    std::error_code failure;
    std::string words;
    try {
        co_await secure();
        auto frame = co_await read_first_frame(connection_.channel);
        co_return std::move(frame);
    } catch (const std::system_error& error) {
        failure = error.code();
        words = error.what();
    }
    note_failure(failure, words);
    co_return std::nullopt;
}

// What is no try to log in at all costs little, and says nothing about the secret.
void ControlPort::Greeting::note_failure(std::error_code failure, std::string_view words)
{
    Tallies& tallies = port_.uses_.tallies;
    const bool is_blocked = port_.blocked_for(connection_).count() > 0;
    // Whoever has no key may have hung up before it was told.
    const bool tried_to_log_in =
        has_no_key_ || failure == Errc::no_proof || failure == Errc::handshake_failed;
    if (!is_blocked && tried_to_log_in && !is_stale_)
        port_.note_failure(connection_);
    if (!place_.end().empty())
        tallies.count(tallies.strangers, connection_.peer, place_.end().text, place_.end().code);
    else if (failure == asio::error::operation_aborted)
        throw std::system_error(failure);
    else if (is_blocked && has_no_key_)
        tallies.count(tallies.ignored, connection_.peer,
                      "too many log-ins have failed, and it has no good key");
    else if (failure == asio::error::eof) // a health check, or a dial-back that was not needed
        log::debug("a connection ended before it said who it is", {{"peer", connection_.peer}});
    else
        tallies.count(tallies.strangers, connection_.peer, words, code_of(failure, Code::stranger));
}

// Whether it speaks TLS shows in its first byte. One that does not fit is told so in its own way,
// since it is most likely an origin proxy that was started with other options.
awaitable<void> ControlPort::Greeting::secure()
{
    const TrustedOrigins& trust = port_.uses_.trust;
    std::uint8_t first = 0;
    ssize_t size = -1;
    while (size < 0) {
        size = ::recv(connection_.channel.socket().native_handle(), &first, 1,
                      MSG_PEEK | MSG_DONTWAIT);
        if (size == 0)
            throw std::system_error(asio::error::eof);
        if (size < 0 && errno == EAGAIN)
            co_await connection_.channel.socket().async_wait(tcp::socket::wait_read, use_awaitable);
        else if (size < 0 && errno != EINTR)
            throw std::system_error(errno, std::system_category());
    }
    const bool tls = first == tls_first_byte;
    if (tls && trust.encrypts()) {
        co_await shake_hands();
    } else if (tls) {
        co_await port_.say_last(connection_.channel, std::string(no_encryption_here));
        fail(make_error_code(Errc::not_our_protocol), "TLS, and there is neither secret nor "
                                                      "certificate here, or --encryption off");
    } else if (trust.encrypts() && first == magic.front()) {
        has_no_key_ = true;
        co_await port_.slow_down(connection_);
        const std::string_view words =
            trust.has_secrets()
                ? "the remote proxy takes encrypted connections only: give the origin proxy the "
                  "same --secret-file, and no --encryption off"
                : "the remote proxy takes encrypted connections only, and has a certificate: give "
                  "the origin proxy --tls-ca with the authority of that, and neither a secret nor "
                  "--encryption off";
        const Reject rejection{RejectReason::not_trusted, port_.why_refused(connection_, words)};
        co_await port_.say_last(connection_.channel, encode(rejection));
        fail(make_error_code(Errc::no_proof), "not encrypted");
    } else if (trust.encrypts()) {
        throw std::system_error(make_error_code(Errc::not_our_protocol));
    }
}

// Decides what a ClientHello may cost. Data connections that are expected go on at once, since
// visitors wait for them. A key that nobody has here costs nothing more. All others wait until
// there is time for them.
awaitable<bool> ControlPort::Greeting::admit(Offer offer)
{
    any_key_ = offer.any_key;
    const bool wants_certificate = !offer.any_key && port_.uses_.trust.shows_certificate();
    if (!offer.known_key && !wants_certificate) {
        has_no_key_ = !is_stale_;
        if (has_no_key_)
            co_await port_.slow_down(connection_);
        co_return false;
    }
    if (place_.is_expected())
        co_return true;
    if (offer.known_key)
        place_.keep();
    HandshakeBudget& budget = offer.known_key ? port_.key_budget_ : port_.signature_budget_;
    std::function<void()> wake = [this] {
        std::error_code ignored;
        connection_.channel.socket().cancel(ignored);
    };
    turn_.emplace(budget, connection_.address, std::move(wake));
    co_await wait_for(*turn_, connection_.channel.socket());
    co_return true;
}

// What the origin proxy came with, and what would have been right, as far as it is known.
std::string_view ControlPort::Greeting::why_no_key_fits() const
{
    if (any_key_ && !port_.uses_.trust.has_secrets())
        return "the origin proxy has a secret, and the remote proxy none but a certificate: give "
               "the origin proxy --tls-ca instead of its secret, or the remote proxy the same "
               "--secret-file instead of its certificate";
    if (!any_key_ && !port_.uses_.trust.shows_certificate())
        return "the remote proxy asks for a secret and has no certificate: give the origin proxy "
               "the same --secret-file, instead of --tls-ca and other options of certificates";
    return unknown_secret;
}

std::optional<Key> ControlPort::Greeting::find_key(std::string_view identity)
{
    auto key = port_.key_of(identity);
    const auto of_data = parse_data_identity(identity);
    is_stale_ = !key && of_data && port_.uses_.links.was_session(of_data->session);
    // A round trip goes by until it is proved, and visitors who come at once must not push each
    // other's connections out meanwhile. There are as many as visitors wait, or are parked.
    if (key && of_data)
        place_.expect(of_data->once, port_.uses_.room.size() + port_.options_.most_parked);
    return key;
}

awaitable<void> ControlPort::Greeting::shake_hands()
{
    Handshake::FindKey find = [this](std::string_view identity) { return find_key(identity); };
    Handshake handshake(port_.uses_.trust.context(), connection_.channel.socket().native_handle(),
                        std::move(find));
    handshake.set_gate(*this);
    std::exception_ptr failure;
    try {
        co_await handshake.run(connection_.channel.socket());
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
        const std::string_view why = why_no_key_fits();
        if (has_no_key_)
            words = encode(Reject{RejectReason::not_trusted, port_.why_refused(connection_, why)});
        co_await port_.say_last(connection_.channel, std::move(words));
        if (has_no_key_)
            fail(make_error_code(Errc::no_proof), std::string(why));
        std::rethrow_exception(failure);
    }
    note_peer(handshake);
    connection_.channel.encrypt(handshake.take());
}

// Who it is. Throws std::system_error if it is nobody after all.
void ControlPort::Greeting::note_peer(const Handshake& handshake)
{
    connection_.data = parse_data_identity(handshake.identity());
    if (connection_.data)
        return;
    // What was recorded of it must stay closed to whoever gets hold of the secret later.
    if (!handshake.fresh_exchange())
        fail(make_error_code(Errc::handshake_failed), "no fresh key exchange");
    Identity& identity = connection_.identity;
    if (const auto control = parse_control_identity(handshake.identity())) {
        identity.credential = control->credential;
        // If it was taken away meanwhile, it is told so when it asks to log in.
        if (const NamedSecret* const secret = port_.uses_.trust.find(control->credential)) {
            identity.name = secret->name;
            identity.is_only = secret->is_only;
        }
    } else {
        identity.name = handshake.certificate_name();
    }
    identity.session_key = handshake.exporter(exporter_label);
}

} // namespace tunnel
