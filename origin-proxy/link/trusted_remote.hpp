// How the origin proxy makes sure that it talks to the right remote proxy, and shows who it is.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/options/trust_options.hpp"
#include "common/protocol/wire.hpp"
#include "common/security/handshake.hpp"
#include "origin-proxy/link/data_dialler.hpp"
#include "origin-proxy/options/options.hpp"

namespace tunnel {

// What the files said when they were read last.
class TrustedRemote {
public:
    // `host` is the one in --remote-proxy-addr. Throws std::runtime_error that names the file, and
    // what is wrong with it.
    TrustedRemote(const TrustOptions& options, const std::string& host);

    bool encrypts() const { return context_.has_value(); }

    // Whether the options and the contents of the files come to the same, so that nothing would be
    // agreed on in another way. What the system trusts is not looked at.
    bool same_as(const TrustedRemote& other) const;

    // There is a secret, but no encryption.
    bool proves() const { return secret_ && !encrypts(); }

    // Agrees on the encryption of a control connection. The key is the session's. Throws
    // std::system_error.
    awaitable<std::optional<Key>> shake_hands(AsyncChannel& channel) const;

    // Puts into `log_in` what asks the remote proxy for a challenge.
    void claim(LogIn& log_in) const;

    // After a log-in that was claimed: checks that the remote proxy knows the secret, and proves
    // the same. The key is the session's. Throws std::system_error: no_proof, or rejected with
    // words.
    awaitable<std::optional<Key>> answer_challenge(AsyncChannel& channel,
                                                   const LogIn& log_in) const;

private:
    // By which it can be told from another text; none: it is too large.
    using Contents = std::optional<Mac>;

    awaitable<std::string> last_words(AsyncChannel& channel, std::error_code failure) const;
    static Contents contents_of(const std::string& path);

    std::string host_;
    bool insecure_;
    std::vector<Contents> files_; // of the certificates, read before they are used
    std::optional<Credential> secret_;
    std::optional<TlsContext> context_;
};

// One for each of the remote proxies. Throws std::runtime_error, as its constructor.
std::vector<TrustedRemote> trusted_remotes(const OriginOptions& options);

} // namespace tunnel
