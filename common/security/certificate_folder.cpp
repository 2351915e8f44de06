#include "common/security/certificate_folder.hpp"

#include <algorithm>
#include <filesystem>
#include <string_view>

#include "common/files/file_source.hpp"

namespace tunnel {

namespace {

constexpr std::string_view chain_file = "fullchain.pem";
constexpr std::string_view key_of_chain_file = "privkey.pem";
constexpr std::string_view certificate_ending = ".crt";
constexpr std::string_view issuer_ending = ".issuer.crt";
constexpr std::string_view note = "README"; // of certbot

std::string within(const std::string& folder, std::string_view name)
{
    return (std::filesystem::path(folder) / name).string();
}

bool has(const std::vector<std::string>& names, std::string_view name)
{
    return std::ranges::find(names, name) != names.end();
}

// As certbot has them; `names` are in the folder.
bool take_chain(const std::string& folder, const std::vector<std::string>& names,
                CertificateFolder& into)
{
    if (!has(names, chain_file))
        return false;
    std::string certificate = within(folder, chain_file);
    if (has(names, key_of_chain_file))
        into.certificates.push_back({std::move(certificate), within(folder, key_of_chain_file)});
    else
        into.without_key.push_back(std::move(certificate));
    return true;
}

} // namespace

CertificateFolder CertificateFolder::look_into(const std::string& path)
{
    CertificateFolder found;
    // What is in it can be found only by those who may search it.
    found.can_be_read = files().status(within(path, ".")).is_folder();
    std::vector<std::string> names = files().names_in(path);
    std::ranges::sort(names);
    take_chain(path, names, found);
    for (const std::string& name : names) {
        if (name.starts_with('.') || name == note)
            continue;
        found.has_other_files = true;
        const std::string file = within(path, name);
        if (name.ends_with(issuer_ending))
            continue;
        if (!name.ends_with(certificate_ending)) {
            if (files().status(file).is_folder())
                take_chain(file, files().names_in(file), found);
            continue;
        }
        const std::string key = name.substr(0, name.size() - certificate_ending.size()) + ".key";
        if (has(names, key))
            found.certificates.push_back({file, within(path, key)});
        else
            found.without_key.push_back(file);
    }
    return found;
}

} // namespace tunnel
