#include "remote-proxy/options/origins_config.hpp"

#include <algorithm>
#include <stdexcept>

#include <fmt/format.h>

#include "common/options/bandwidth_options.hpp"
#include "common/options/key_names.hpp"
#include "common/options/print_configuration.hpp"
#include "common/options/table_reader.hpp"
#include "common/options/value_readers.hpp"
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

    OptionList keys_of(const std::string& name, const FilePlace& place, Rates& rates)
    {
        ValueReader one = as_text("SECRET", {});
        one.take = [this, name](const Setting& setting) { secret(name, setting); };
        ValueReader several = as_list("SECRET", {});
        several.take = [this, name](const Setting& list) { secrets(name, list); };
        OptionList keys{
            {"secret", one, "The secret by which it is known", Trait::secret},
            {"secrets", several, "Several secrets, each of which is good", Trait::secret}};
        if (in_ == OriginsIn::secrets_file)
            return keys;
        ValueReader files = as_list("FILE", [this, name, place](const std::string& file) {
            if (file.empty())
                throw std::invalid_argument("\"\" is not the name of a file");
            all_.secrets.push_back({name, place, {}, file});
        });
        files.file = ValueReader::File::read;
        const auto read_ports = [this, name](const std::string& text) {
            all_.allow_ports[name].push_back(read_port_range(text));
        };
        Option hosts = describe_allowed_hosts(all_.allow_hosts[name]);
        hosts.help = "Names that it may give its services; *.example.com stands for all names "
                     "below example.com";
        append(keys, {{"secret-file", files, "Files with secrets, one in each"},
                      {"allow-ports", as_list("PORT[-PORT]", read_ports),
                       "Ports at which it may open services of its own"},
                      std::move(hosts)});
        append(keys, describe_for_one_origin(rates));
        for (Option& each : keys)
            each.traits = each.traits | Trait::reloads;
        return keys;
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
                          fmt::format("{} is not a table, {}", called, expected_origins(in_)));
            return;
        }
        all_.names.push_back(name);
        TableReader reader(table, called, problems_);
        Rates rates = bandwidth_;
        const OptionList keys = keys_of(name, table.place, rates);
        const std::size_t before = all_.secrets.size();
        reader.read(keys);
        reader.finish();
        if (in_ != OriginsIn::secrets_file)
            all_.bandwidth.emplace(name, rates);
        if (table.find("allow-hosts") == nullptr) // those of all hold
            all_.allow_hosts.erase(name);
        const std::size_t count = all_.secrets.size() - before;
        if (!has_proof(table, keys) && in_ != OriginsIn::configuration_with_certificates)
            problems_.add(table.place, fmt::format("{} has no secret", called));
        if (count > most_secrets)
            problems_.add(table.place,
                          fmt::format("{} has more than {} secrets", called, most_secrets));
    }

    // Also a secret that is wrong, of which enough was said then.
    static bool has_proof(const Setting& table, const OptionList& keys)
    {
        return std::ranges::any_of(keys, [&table](const Option& key) {
            const Setting* const found = table.find(key.name);
            const bool is_secret = key.is(Trait::secret);
            return found != nullptr && (is_secret || key.value.file == ValueReader::File::read) &&
                   !(is_secret && is_empty_list(*found));
        });
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
            return complain(fmt::format("a secret of origins.{} is not a text in quotes", name));
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
    return "expected a table [origins.NAME] for each origin proxy";
}

OptionList origin_keys()
{
    Problems problems;
    Rates rates;
    return Reader(OriginsIn::configuration, problems, rates).keys_of({}, {}, rates);
}

OriginsTable read_origins(const Setting& origins, OriginsIn in, Problems& problems,
                          const Rates& bandwidth)
{
    return Reader(in, problems, bandwidth).read(origins);
}

} // namespace tunnel
