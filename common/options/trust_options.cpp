#include "common/options/trust_options.hpp"

#include <cstdlib>

namespace tunnel {

std::string TrustOptions::contradiction() const
{
    const bool certificates = own.given() || !ca_file.empty() || insecure || !server_name.empty();
    if (own.certificate.empty() != own.key.empty())
        return "--tls-cert and --tls-key belong together: give both or none";
    if (secret && !secret_file.empty())
        return "there is a secret in the environment and one in --secret-file: give one of them";
    if (!secrets_file.empty() && (secret || !secret_file.empty()))
        return "--secrets-file has all secrets, so there can be no other";
    if (!origins.empty() && (secret || !secret_file.empty() || !secrets_file.empty()))
        return "[origins] of the configuration file has all secrets, so there can be no other: "
               "neither --secret-file, nor --secrets-file, nor one in the environment";
    if (has_secret() && certificates)
        return "a secret and certificates are two ways to the same: give one of them";
    if (encryption == Encryption::off && certificates)
        return "--encryption off leaves the certificates without a use";
    // Without one there is no TLS at all: nobody would be asked for anything, and nothing
    // encrypted.
    if (accepts && !ca_file.empty() && !own.given())
        return "--tls-client-ca wants a certificate of this proxy too: give --tls-cert and "
               "--tls-key";
    if (accepts && encryption == Encryption::tls && !has_secret() && !own.given())
        return "--encryption tls wants something to encrypt with: give --secret-file, or "
               "--tls-cert and --tls-key";
    return {};
}

std::vector<std::filesystem::path> TrustOptions::files() const
{
    std::vector<std::filesystem::path> given;
    for (const std::string& each : {secret_file, secrets_file, own.certificate, own.key, ca_file}) {
        if (!each.empty())
            given.emplace_back(each);
    }
    for (const OriginSecret& each : origins) {
        if (!each.file.empty())
            given.emplace_back(each.file);
    }
    // Where OpenSSL looks for the system's authorities, if it was told to look elsewhere.
    for (const char* const variable : {"SSL_CERT_FILE", "SSL_CERT_DIR"}) {
        if (const char* const path = std::getenv(variable); path != nullptr && *path != '\0')
            given.emplace_back(path);
    }
    return given;
}

std::optional<Credential> load_secret(const TrustOptions& options)
{
    if (options.secret_file.empty())
        return options.secret;
    return read_secret_file(options.secret_file);
}

} // namespace tunnel
