#include "common/options/trust_options.hpp"

#include <cerrno>
#include <cstdlib>

#include <fmt/format.h>
#include <sys/stat.h>

#include "common/options/value_readers.hpp"

namespace tunnel {

namespace {

constexpr Choices<Encryption, 3> encryptions{
    {{"auto", Encryption::automatic}, {"off", Encryption::off}, {"tls", Encryption::tls}}};

} // namespace

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

void TrustOptions::take_credential()
{
    const bool certificates = !own.certificate.empty() || !own.key.empty() || !ca_file.empty() ||
                              insecure || !server_name.empty();
    if (!has_secret() && !certificates && encryption != Encryption::tls)
        secret_file = credential_file();
}

std::string credential_file()
{
    const char* const folder = std::getenv("CREDENTIALS_DIRECTORY");
    if (folder == nullptr || *folder == '\0')
        return {};
    const std::string file = fmt::format("{}/secret", folder);

    struct stat there {};

    // One that cannot be looked at is there: without it, anybody might be trusted.
    const bool is_missing = ::stat(file.c_str(), &there) != 0 && errno == ENOENT;
    return is_missing ? std::string() : file;
}

OptionList describe(TrustOptions& options, const std::string& secret_variable)
{
    const Trait file = Trait::reloads | Trait::never_empty;
    OptionList all;
    append(all, "Trust between the two programs",
           {{"secret-file", as_file(options.secret_file),
             "File with the secret that both proxies know; what passes between them is then "
             "encrypted. Or the secret itself in " +
                 secret_variable,
             file | Trait::common},
            {"encryption", as_choice(options.encryption, encryptions),
             "auto: with a secret or certificates; off: never encrypt; tls: always, verified by "
             "certificates",
             Trait::reloads},
            {"tls-cert", as_file(options.own.certificate),
             "This proxy's certificate, PEM, with its chain; instead of a secret", file},
            {"tls-key", as_file(options.own.key), "The key of --tls-cert, PEM", file}});
    return all;
}

std::optional<Credential> load_secret(const TrustOptions& options)
{
    if (options.secret_file.empty())
        return options.secret;
    return read_secret_file(options.secret_file);
}

} // namespace tunnel
