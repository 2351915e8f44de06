// Whom a proxy trusts, as it can be told on the command line.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/options/document.hpp"
#include "common/options/option.hpp"
#include "common/security/handshake.hpp"
#include "common/security/secret.hpp"

namespace tunnel {

enum class Encryption : std::uint8_t {
    automatic, // with a secret or certificates
    off,       // although there is a secret
    tls,       // also without either: origin proxy, the system's authorities
};

// A secret by which the remote proxy knows an origin proxy, as the configuration file has it.
struct OriginSecret {
    std::string name;
    FilePlace place;
    std::optional<Credential> credential{}; // none: it is in
    std::string file{};
};

struct TrustOptions {
    std::optional<Credential> secret; // out of the environment
    std::string secret_file;
    std::string secrets_file;          // remote proxy
    std::vector<OriginSecret> origins; // the same in the configuration file
    Encryption encryption = Encryption::automatic;
    CertificateFiles own;
    std::string ca_file; // whose certificates are good: the remote proxy's, or the origin proxies'
    std::string
        server_name;       // origin proxy: the name in the certificate, if not that of the address
    bool insecure = false; // origin proxy: take any certificate
    bool accepts = false;  // they are the remote proxy's

    bool has_secret() const
    {
        return secret || !secret_file.empty() || !secrets_file.empty() || !origins.empty();
    }

    // If there is nothing else to trust by: the secret is the credential of this name that the
    // service manager has handed over, LoadCredential= of systemd, if it has.
    void take_credential();

    // In the memory of this process there will be what others must not see.
    bool has_private_files() const { return has_secret() || own.given(); }

    // What cannot go together, in words that say so; empty: nothing.
    std::string contradiction() const;
};

// The file of the credential `secret`; empty: none was handed over.
std::string credential_file();

// What both programs have of it. The secret itself may only come from an environment variable,
// since others can read a command line.
OptionList describe(TrustOptions& options, const std::string& secret_variable);

// The one of the environment, or of the file; none if there is none. Throws std::runtime_error.
std::optional<Credential> load_secret(const TrustOptions& options);

} // namespace tunnel
