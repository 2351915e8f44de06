#include "remote-proxy/trust/secrets_file.hpp"

#include <stdexcept>

#include <fmt/format.h>

#include "common/options/table_reader.hpp"
#include "common/security/file.hpp"
#include "remote-proxy/options/origins_config.hpp"

namespace tunnel {

namespace {

constexpr std::size_t largest_secrets_file = 1024 * 1024;

std::vector<NamedSecret> secrets_of(const Setting& all, Problems& problems)
{
    const std::string expected(expected_origins(OriginsIn::secrets_file));
    TableReader top(all, "", problems);
    const Setting* const origins = top.take("origins");
    top.finish(expected);
    std::vector<NamedSecret> secrets;
    if (origins == nullptr || origins->kind != Setting::Kind::table || origins->entries.empty()) {
        problems.add(all.place, fmt::format("there are no origins: {}", expected));
        return secrets;
    }
    for (OriginSecret& each : read_origins(*origins, OriginsIn::secrets_file, problems).secrets)
        secrets.push_back({each.name, *each.credential});
    return secrets;
}

} // namespace

std::vector<NamedSecret> parse_secrets(std::string_view toml, const std::string& path)
{
    Problems problems;
    const Setting all = parse_toml(toml, path, expected_origins(OriginsIn::secrets_file), problems);
    std::vector<NamedSecret> secrets;
    if (problems.empty())
        secrets = secrets_of(all, problems);
    if (!problems.empty())
        throw std::runtime_error(problems.first());
    return secrets;
}

std::vector<NamedSecret> read_secrets_file(const std::string& path)
{
    const PrivateText text = read_private_file(path, largest_secrets_file);
    return parse_secrets(text.view(), path);
}

} // namespace tunnel
