#include "tests/support/trusted.hpp"

#include "common/security/proof.hpp"
#include "common/security/session.hpp"

using namespace std::chrono_literals;

namespace tunnel::test {

Credential some_secret()
{
    return parse_secret(generate_secret(), "a test");
}

RemoteOptions trusting(const Credential& secret, Encryption encryption)
{
    RemoteOptions options = remote_options();
    options.trust.secret = secret;
    options.trust.encryption = encryption;
    return options;
}

OriginOptions trusting(OriginOptions options, const Credential& secret, Encryption encryption)
{
    options.trust.secret = secret;
    options.trust.encryption = encryption;
    return options;
}

LogIn log_in_by_hand(bool parks, bool offers)
{
    LogIn log_in;
    log_in.program_version = "by-hand";
    log_in.origin = {random_bytes()};
    log_in.heartbeat_timeout = 10s;
    if (parks)
        log_in.features.emplace_back(feature::parking);
    if (offers)
        log_in.features.emplace_back(feature::services);
    return log_in;
}

LogIn claiming(const Credential& secret, bool parks, bool offers, OriginId origin, std::string name)
{
    LogIn log_in = log_in_by_hand(parks, offers);
    log_in.origin = origin;
    log_in.name = std::move(name);
    log_in.claimed = Claimed{secret.id, random_bytes()};
    return log_in;
}

TlsStream secure_stream(const tcp::endpoint& remote, const PresharedKey& key, bool fresh_exchange)
{
    return {Stream::connect(remote), TlsEnd::dials, {.key = key, .fresh_exchange = fresh_exchange}};
}

SecureOrigin::SecureOrigin(const tcp::endpoint& remote, const Credential& secret, bool parks)
    : remote_(remote),
      log_in(log_in_by_hand(parks)),
      control(secure_stream(remote, control_key(secret), true))
{
    control.send(magic_bytes() + encode(log_in));
    Frame frame = control.receive_frame();
    while (std::holds_alternative<Notice>(frame))
        frame = control.receive_frame();
    session = std::get<Welcome>(frame).session.value();
}

TlsStream SecureOrigin::dial_back(const Ticket& ticket) const
{
    TlsStream stream = data(ticket.bytes);
    stream.send(magic_bytes() + encode(DialBack{ticket}));
    return stream;
}

TlsStream SecureOrigin::park() const
{
    TlsStream stream = data(random_bytes());
    stream.send(magic_bytes() + encode(Park{session}));
    return stream;
}

ProvingOrigin::ProvingOrigin(const tcp::endpoint& remote, const Credential& secret, bool parks,
                             bool offers, OriginId origin, std::string name)
    : log_in(claiming(secret, parks, offers, origin, std::move(name))),
      control(Stream::connect(remote))
{
    control.send(magic_bytes() + encode(log_in));
    challenge = control.receive_frame<Challenge>();
    control.send(Proof{prove(secret.log_in, Role::origin, log_in, challenge.nonce)});
    Frame frame = control.receive_frame();
    while (std::holds_alternative<Notice>(frame))
        frame = control.receive_frame();
    session = std::get<Welcome>(frame).session.value_or(SessionId());
    key = session_key(secret.log_in, log_in, challenge.nonce);
}

DialBack ProvingOrigin::dial_back(const Ticket& ticket) const
{
    return {ticket, prove_dial_back(key, ticket)};
}

Park ProvingOrigin::park(std::uint64_t number) const
{
    return {session, Park::Numbered{number, prove_park(key, number)}};
}

bool gets_nothing(Stream& stream)
{
    try {
        return stream.receive_all().empty();
    } catch (const std::system_error& error) { // a reset, or silence
        return error.code() == std::errc::connection_reset;
    }
}

} // namespace tunnel::test
