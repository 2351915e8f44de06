// Proxies that have a secret, and peers played by hand that know it, or only say so.
#pragma once

#include "common/security/secret.hpp"
#include "tests/support/proxies.hpp"
#include "tests/support/tls_stream.hpp"

namespace tunnel::test {

Credential some_secret();

// As remote_options() and origin_options(), with a secret.
RemoteOptions trusting(const Credential& secret, Encryption encryption = Encryption::automatic);
OriginOptions trusting(OriginOptions options, const Credential& secret,
                       Encryption encryption = Encryption::automatic);

// A log-in as a peer played by hand sends it.
LogIn log_in_by_hand(bool parks = false, bool offers = false);

// TLS on a fresh connection, with a pre-shared key. Throws if the handshake fails.
TlsStream secure_stream(const tcp::endpoint& remote, const PresharedKey& key, bool fresh_exchange);

// An origin proxy played by hand that knows the secret, logged in over TLS.
class SecureOrigin {
public:
    SecureOrigin(const tcp::endpoint& remote, const Credential& secret, bool parks = false);

    PresharedKey key(const RandomBytes& once) const { return key_of_data(control, session, once); }

    // A data connection of this session.
    TlsStream data(const RandomBytes& once) const
    {
        return secure_stream(remote_, key(once), false);
    }

    // One that has presented the ticket.
    TlsStream dial_back(const Ticket& ticket) const;

    TlsStream park() const;

private:
    tcp::endpoint remote_;

public:
    LogIn log_in;
    TlsStream control;
    SessionId session;
};

// The same without encryption, by proofs.
class ProvingOrigin {
public:
    ProvingOrigin(const tcp::endpoint& remote, const Credential& secret, bool parks = false,
                  bool offers = false, OriginId origin = {random_bytes()}, std::string name = {});

    DialBack dial_back(const Ticket& ticket) const;
    Park park(std::uint64_t number) const;

    LogIn log_in;
    Stream control;
    Challenge challenge;
    Key key;
    SessionId session{};
};

// A log-in that asks for a challenge.
LogIn claiming(const Credential& secret, bool parks = false, bool offers = false,
               OriginId origin = {random_bytes()}, std::string name = {});

// Whether the peer closes the connection, without a byte of an answer.
bool gets_nothing(Stream& stream);

} // namespace tunnel::test
