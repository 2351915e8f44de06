// The origin proxies that the remote proxy trusts.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/options/trust_options.hpp"
#include "common/security/handshake.hpp"

namespace tunnel {

// A secret, with the name of the origin proxies that know it.
struct NamedSecret {
    std::string name;
    Credential credential;
    bool is_only = false; // and nobody has named it
};

// The secrets and certificates as last read from the files.
class TrustedOrigins {
public:
    // Throws std::runtime_error that names the file and its problem. Logs a warning about files
    // with secrets, the configuration included, that other users can read.
    explicit TrustedOrigins(const TrustOptions& options);

    // Whether all connections between the proxies are TLS.
    bool encrypts() const { return context_.has_value(); }

    // Whether there are secrets, but no encryption.
    bool wants_proof() const { return !encrypts() && !secrets_.empty(); }

    // Whether anybody may log in.
    bool trusts_anyone() const { return secrets_.empty() && !checks_certificates_; }

    bool has_secrets() const { return !secrets_.empty(); }

    // Whether peers without a key are shown a certificate.
    bool shows_certificate() const { return shows_certificate_; }

    // Only if it encrypts.
    const TlsContext& context() const { return *context_; }

    // Null: unknown.
    const NamedSecret* find(const RandomBytes& credential) const;

    // Whether what identifies an origin proxy is still valid: a secret must still have this name.
    bool trusts(const std::string& name, const std::optional<RandomBytes>& secret) const;

    // The secrets that `other` does not have, or has by another name.
    std::vector<NamedSecret> missing_in(const TrustedOrigins& other) const;

private:
    std::vector<NamedSecret> secrets_;
    std::map<RandomBytes, std::size_t> by_credential_; // places in `secrets_`
    std::optional<TlsContext> context_;
    bool shows_certificate_ = false;
    bool checks_certificates_ = false;
};

} // namespace tunnel
