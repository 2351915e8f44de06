#include "remote-proxy/options/origins_config.hpp"

#include <algorithm>
#include <stdexcept>

#include <fmt/format.h>

#include "common/options/bandwidth_options.hpp"
#include "common/options/key_names.hpp"
#include "common/options/print_configuration.hpp"
#include "common/options/table_reader.hpp"
#include "remote-proxy/options/port_range.hpp"

namespace tunnel {

namespace {

constexpr std::size_t most_secrets = 8; // of one name

class Reader {
public:
    Reader(OriginsIn in, Problems& problems, const Rates& bandwidth)
        : in_(in), problems_(problems), bandwidth_(bandwidth)
    {
    }

    OriginsTable read(const Setting& origins)
    {
        for (const Setting& each : origins.entries)
            origin(each);
        return std::move(all_);
    }

private:
    void origin(const Setting& table)
    {
        const std::string& name = table.key;
        if (!is_plain_name(name)) {
            problems_.add(table.place, std::string(plain_name_syntax));
            return;
        }
        const std::string called = "origins." + name;
        if (table.kind != Setting::Kind::table) {
            problems_.add(table.place,
                          fmt::format("{} is no table, {}", called, expected_origins(in_)));
            return;
        }
        all_.names.push_back(name);
        TableReader keys(table, called, problems_);
        const std::size_t before = all_.secrets.size();
        if (const Setting* const one = keys.take("secret"))
            secret(name, *one);
        if (const Setting* const several = keys.take("secrets"))
            secrets(name, *several);
        if (in_ != OriginsIn::secrets_file) {
            keys.several("secret-file", [&](const std::string& file) {
                if (file.empty())
                    throw std::invalid_argument("\"\" is not the name of a file");
                all_.secrets.push_back({name, table.place, {}, file});
            });
            keys.several("allow-ports", [&](const std::string& text) {
                all_.allow_ports[name].push_back(read_port_range(text));
            });
            Rates rates = bandwidth_;
            read_bandwidth(keys, rates);
            all_.bandwidth.emplace(name, rates);
        }
        keys.finish(std::string(expected_origins(in_)));
        const std::size_t count = all_.secrets.size() - before;
        if (!tells_a_secret(table) && in_ != OriginsIn::configuration_with_certificates)
            problems_.add(table.place, fmt::format("{} has no secret", called));
        if (count > most_secrets)
            problems_.add(table.place,
                          fmt::format("{} has more than {} secrets", called, most_secrets));
    }

    // Also one that is wrong, of which enough was said then.
    bool tells_a_secret(const Setting& table) const
    {
        const Setting* const secrets = table.find("secrets");
        const bool several = secrets != nullptr &&
                             (secrets->kind != Setting::Kind::list || !secrets->entries.empty());
        const bool in_file = in_ != OriginsIn::secrets_file && table.find("secret-file") != nullptr;
        return several || in_file || table.find("secret") != nullptr;
    }

    void secrets(const std::string& name, const Setting& list)
    {
        if (list.kind != Setting::Kind::list)
            problems_.add(list.place,
                          fmt::format("secrets of origins.{} has no meaning as {}, {}", name,
                                      describe(list.kind), expected_origins(in_)));
        for (const Setting& each : list.entries)
            secret(name, each);
    }

    void secret(const std::string& name, const Setting& setting)
    {
        const auto complain = [&](const std::string& what) { problems_.add(setting.place, what); };
        if (setting.kind != Setting::Kind::text)
            return complain(fmt::format("a secret of origins.{} is no text in quotes", name));
        if (setting.text == masked)
            return complain(fmt::format("the secret of origins.{} is masked, as print-config does "
                                        "it: expected the secret itself",
                                        name));
        try {
            const Credential credential = parse_secret(setting.text, "origins." + name);
            const auto twin = std::ranges::find(all_.secrets, std::optional(credential),
                                                &OriginSecret::credential);
            if (twin != all_.secrets.end())
                return complain(
                    fmt::format("the secret of origins.{} is that of origins.{} too, so who "
                                "shows it could be either",
                                name, twin->name));
            all_.secrets.push_back({name, setting.place, credential});
        } catch (const std::runtime_error& error) {
            complain(error.what());
        }
    }

    OriginsIn in_;
    Problems& problems_;
    const Rates bandwidth_; // of those who do not say otherwise
    OriginsTable all_;
};

} // namespace

// Without characters that the log would escape.
std::string_view expected_origins(OriginsIn in)
{
    if (in == OriginsIn::secrets_file)
        return "expected a table [origins.NAME] with secret = '...' or "
               "secrets = ['...', '...'] for each origin proxy";
    return "expected a table [origins.NAME] with secret = '...', secrets = ['...', '...'] or "
           "secret-file = '...', allow-ports, max-bandwidth-up and max-bandwidth-down, for each "
           "origin proxy";
}

OriginsTable read_origins(const Setting& origins, OriginsIn in, Problems& problems,
                          const Rates& bandwidth)
{
    return Reader(in, problems, bandwidth).read(origins);
}

} // namespace tunnel
