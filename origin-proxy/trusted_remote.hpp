// How the origin proxy makes sure that it talks to the right remote proxy, and shows who it is.
#pragma once

#include <optional>
#include <string>

#include "common/protocol/wire.hpp"
#include "common/security/handshake.hpp"
#include "common/security/trust_options.hpp"
#include "origin-proxy/data_dialler.hpp"

namespace tunnel {

// What the files said when they were read last.
class TrustedRemote {
public:
    // `host` is the one in --remote-proxy-addr. Throws std::runtime_error that names the file, and
    // what is wrong with it.
    TrustedRemote(const TrustOptions& options, const std::string& host);

    bool encrypts() const { return context_.has_value(); }

    // There is a secret, but no encryption.
    bool proves() const { return secret_ && !encrypts(); }

    // Agrees on the encryption of a control connection. The key is the session's. Throws
    // std::system_error.
    awaitable<std::optional<Key>> shake_hands(tcp::socket& socket, Tls& tls) const;

    // Puts into `log_in` what asks the remote proxy for a challenge.
    void claim(LogIn& log_in) const;

    // After a log-in that was claimed: checks that the remote proxy knows the secret, and proves
    // the same. The key is the session's. Throws std::system_error: no_proof, or rejected with
    // words.
    awaitable<std::optional<Key>> answer_challenge(Wire wire, const LogIn& log_in) const;

private:
    std::string host_;
    std::optional<Credential> secret_;
    std::optional<TlsContext> context_;
};

} // namespace tunnel
