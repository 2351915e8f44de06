#include "remote-proxy/secrets_file.hpp"

#include <algorithm>
#include <map>
#include <stdexcept>

#include <fmt/format.h>
#include <toml++/toml.h>

#include "common/security/file.hpp"

namespace tunnel {

namespace {

constexpr std::size_t largest_file = 1024 * 1024;
constexpr std::size_t longest_name = 64;
constexpr std::size_t most_secrets = 8; // of one name

// Without characters that the log would escape.
constexpr std::string_view expected = "expected a table [origins.NAME] with secret = '...' or "
                                      "secrets = ['...', '...'] for each origin proxy";

constexpr std::string_view good_in_names =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";

// A key without a meaning, as far as it may be shown: where a key stands could also be a secret
// that somebody put on the wrong side of the equals sign. None is as short as this.
std::string shown(std::string_view key)
{
    constexpr std::size_t longest = 15;
    if (key.empty() || key.size() > longest ||
        key.find_first_not_of(good_in_names) != std::string_view::npos)
        return "a key";
    return fmt::format("'{}'", key);
}

class Reader {
public:
    explicit Reader(const std::string& path) : path_(path) {}

    std::vector<NamedSecret> read(const toml::table& all)
    {
        for (const auto& [key, value] : all) {
            if (key != "origins")
                fail(value, fmt::format("{} has no meaning here, {}", shown(key.str()), expected));
        }
        const toml::table* const origins = all["origins"].as_table();
        if (origins == nullptr || origins->empty())
            fail(all, fmt::format("there are no origins: {}", expected));
        for (const auto& [name, value] : *origins)
            origin(std::string(name.str()), value);
        return std::move(secrets_);
    }

private:
    void origin(const std::string& name, const toml::node& value)
    {
        if (name.empty() || name.size() > longest_name ||
            name.find_first_not_of(good_in_names) != std::string::npos)
            fail(value, fmt::format("a name has 1 to {} letters, digits, dots, dashes and "
                                    "underscores",
                                    longest_name));
        const toml::table* const table = value.as_table();
        if (table == nullptr)
            fail(value, fmt::format("origins.{} is no table, {}", name, expected));
        const std::size_t before = secrets_.size();
        for (const auto& [key, entry] : *table) {
            if (key == "secret")
                secret(name, entry);
            else if (key == "secrets" && entry.is_array())
                several(name, *entry.as_array());
            else
                fail(entry, fmt::format("{} of origins.{} has no meaning, {}", shown(key.str()),
                                        name, expected));
        }
        if (secrets_.size() == before)
            fail(value, fmt::format("origins.{} has no secret", name));
        if (secrets_.size() > before + most_secrets)
            fail(value, fmt::format("origins.{} has more than {} secrets", name, most_secrets));
    }

    void several(const std::string& name, const toml::array& entries)
    {
        for (const toml::node& entry : entries)
            secret(name, entry);
    }

    void secret(const std::string& name, const toml::node& entry)
    {
        const auto* const text = entry.as_string();
        if (text == nullptr)
            fail(entry, fmt::format("a secret of origins.{} is no text in quotes", name));
        const std::string where = place(entry);
        const Credential credential = parse_secret(text->get(), where);
        const auto twin = std::ranges::find(secrets_, credential, &NamedSecret::credential);
        if (twin != secrets_.end())
            fail(entry, fmt::format("the secret of origins.{} is that of origins.{} too, so who "
                                    "shows it could be either",
                                    name, twin->name));
        secrets_.push_back({name, credential});
    }

    std::string place(const toml::node& node) const
    {
        return fmt::format("{} line {}", path_, node.source().begin.line);
    }

    [[noreturn]] void fail(const toml::node& node, const std::string& what) const
    {
        throw std::runtime_error(fmt::format("{}: {}", place(node), what));
    }

    const std::string& path_;
    std::vector<NamedSecret> secrets_;
};

} // namespace

std::vector<NamedSecret> parse_secrets(std::string_view toml, const std::string& path)
{
    try {
        const toml::table all = toml::parse(toml, path);
        return Reader(path).read(all);
    } catch (const toml::parse_error& error) {
        // Its description may quote what stands there, which may be a secret.
        throw std::runtime_error(
            fmt::format("{} line {}: no TOML, {}", path, error.source().begin.line, expected));
    }
}

std::vector<NamedSecret> read_secrets_file(const std::string& path)
{
    const PrivateText text = read_private_file(path, largest_file);
    return parse_secrets(text.view(), path);
}

} // namespace tunnel
