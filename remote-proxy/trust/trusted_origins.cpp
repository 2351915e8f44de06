#include "remote-proxy/trust/trusted_origins.hpp"

#include <algorithm>
#include <set>
#include <stdexcept>

#include <fmt/format.h>

#include "common/security/file.hpp"
#include "remote-proxy/options/service_options.hpp"
#include "remote-proxy/trust/secrets_file.hpp"

namespace tunnel {

namespace {

// Those that stand in the configuration, and those in files that it names.
std::vector<NamedSecret> load_secrets(const std::vector<OriginSecret>& origins)
{
    std::vector<NamedSecret> secrets;
    std::set<std::string> files;
    for (const OriginSecret& each : origins) {
        if (each.credential)
            files.insert(each.place.file);
        NamedSecret secret{each.name,
                           each.credential ? *each.credential : read_secret_file(each.file)};
        const auto twin = std::ranges::find(secrets, secret.credential, &NamedSecret::credential);
        if (twin != secrets.end())
            throw std::runtime_error(fmt::format("{}: the secret of origins.{} is that of "
                                                 "origins.{} too, so who shows it could be either",
                                                 to_string(each.place), each.name, twin->name));
        secrets.push_back(std::move(secret));
    }
    for (const std::string& file : files)
        warn_if_others_may_read(file);
    return secrets;
}

std::vector<NamedSecret> load_secrets(const TrustOptions& options)
{
    if (!options.origins.empty())
        return load_secrets(options.origins);
    if (!options.secrets_file.empty())
        return read_secrets_file(options.secrets_file);
    std::vector<NamedSecret> secrets;
    if (const auto secret = load_secret(options))
        secrets.push_back({only_origin_name, *secret, true});
    return secrets;
}

} // namespace

TrustedOrigins::TrustedOrigins(const TrustOptions& options)
    : secrets_(load_secrets(options)),
      shows_certificate_(options.own.given()),
      checks_certificates_(!options.ca_file.empty())
{
    const bool with_secret = !secrets_.empty() && options.encryption != Encryption::off;
    if (with_secret || options.own.given())
        context_ = TlsContext::accepts(options.own, options.ca_file);
    for (std::size_t i = 0; i < secrets_.size(); ++i)
        by_credential_.emplace(secrets_[i].credential.id, i);
}

// The name of a secret is public, so how long this takes may depend on it.
const NamedSecret* TrustedOrigins::find(const RandomBytes& credential) const
{
    const auto found = by_credential_.find(credential);
    return found == by_credential_.end() ? nullptr : &secrets_[found->second];
}

std::vector<NamedSecret> TrustedOrigins::missing_in(const TrustedOrigins& other) const
{
    std::vector<NamedSecret> missing;
    for (const NamedSecret& each : secrets_) {
        const NamedSecret* const there = other.find(each.credential.id);
        if (there == nullptr || there->name != each.name)
            missing.push_back(each);
    }
    return missing;
}

bool TrustedOrigins::trusts(const std::string& name, const std::optional<RandomBytes>& secret) const
{
    if (!secret)
        return true;
    const NamedSecret* const known = find(*secret);
    return known != nullptr && known->name == name;
}

} // namespace tunnel
