// Whom the remote proxy takes for an origin proxy.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/options/trust_options.hpp"
#include "common/security/handshake.hpp"

namespace tunnel {

// An origin proxy with a name, and the secret by which it is known.
struct NamedSecret {
    std::string name;
    Credential credential;
    bool is_only = false; // and nobody has named it
};

// What the files said when they were read last.
class TrustedOrigins {
public:
    // Throws std::runtime_error that names the file, and what is wrong with it. Warns in the log of
    // a file with secrets, the configuration too, that others may read.
    explicit TrustedOrigins(const TrustOptions& options);

    // Everything that passes between the proxies is TLS.
    bool encrypts() const { return context_.has_value(); }

    // There are secrets, but no encryption.
    bool wants_proof() const { return !encrypts() && !secrets_.empty(); }

    // Anyone may be the origin proxy.
    bool trusts_anyone() const { return secrets_.empty() && !checks_certificates_; }

    bool has_secrets() const { return !secrets_.empty(); }

    // Whoever offers no key is shown a certificate.
    bool shows_certificate() const { return shows_certificate_; }

    // Only if it encrypts.
    const TlsContext& context() const { return *context_; }

    // Null: nobody has this secret.
    const NamedSecret* find(const RandomBytes& credential) const;

    // The secret, if that is what somebody is known by, is still good, and has the same name.
    bool trusts(const std::string& name, const std::optional<RandomBytes>& secret) const;

    // Those that are not in `other`, or have another name there.
    std::vector<NamedSecret> missing_in(const TrustedOrigins& other) const;

private:
    std::vector<NamedSecret> secrets_;
    std::map<RandomBytes, std::size_t> by_credential_; // places in `secrets_`
    std::optional<TlsContext> context_;
    bool shows_certificate_ = false;
    bool checks_certificates_ = false;
};

} // namespace tunnel
