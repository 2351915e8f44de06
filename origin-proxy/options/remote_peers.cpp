#include "origin-proxy/options/remote_peers.hpp"

#include <algorithm>
#include <cctype>
#include <stdexcept>

#include <fmt/format.h>

#include "common/base/log.hpp"
#include "common/options/table_reader.hpp"
#include "common/options/value_readers.hpp"

namespace tunnel {

namespace {

// Whether both are reached in the same way. That two names mean one machine is not known here.
bool is_same(const Address& one, const Address& other)
{
    const auto host = [](const Address& address) {
        std::string text = address.host.empty() ? "localhost" : address.host;
        for (char& c : text)
            c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
        return text;
    };
    return one.port == other.port && host(one) == host(other);
}

void add(RemotePeer peer, OriginOptions& options)
{
    auto& all = options.remote_proxies;
    if (std::ranges::any_of(
            all, [&peer](const RemotePeer& each) { return is_same(each.address, peer.address); }))
        throw std::invalid_argument(fmt::format("\"{}\" is given twice, expected each remote proxy "
                                                "once",
                                                log::escape(to_string(peer.address))));
    if (all.size() == most_remote_proxies)
        throw std::invalid_argument(fmt::format("\"{}\" is one too many, expected {} at most",
                                                log::escape(to_string(peer.address)),
                                                most_remote_proxies));
    all.push_back(std::move(peer));
}

void put(const std::string& own, std::string& general)
{
    if (!own.empty())
        general = own;
}

// What holds for a table: what it says itself, and else what holds in general. A secret and
// certificates exclude each other, so who has the one of its own does not want the other.
TrustOptions merged(const TrustOptions& own, const TrustOptions& general)
{
    if (!own.secret_file.empty())
        return own;
    TrustOptions all = general;
    if (!own.ca_file.empty() || !own.server_name.empty() || own.own.given()) {
        all.secret.reset();
        all.secret_file.clear();
    }
    all.encryption = own.encryption;
    all.insecure = general.insecure && own.ca_file.empty();
    put(own.ca_file, all.ca_file);
    put(own.server_name, all.server_name);
    put(own.own.certificate, all.own.certificate);
    put(own.own.key, all.own.key);
    return all;
}

bool has_own_way(const Setting& setting)
{
    return setting.find(connect_through_key) != nullptr ||
           setting.find(connect_through_password_key) != nullptr;
}

void read_remote_proxy(const Setting& setting, OriginOptions& options, Problems& problems)
{
    const std::string name = "remote-proxies." + setting.key;
    TrustOptions own;
    own.encryption = options.trust.encryption;
    ConnectThrough way;
    way.environment = options.connect_through.environment;
    std::optional<ConnectThrough> own_way;
    TableReader reader(setting, name, problems);
    reader.read(describe_remote_proxy(own, way, [&](const std::string& text) {
        const Address address = read_address(text);
        if (has_own_way(setting)) {
            own_way = way;
            if (const std::string wrong = contradiction(way, {address}); !wrong.empty())
                throw std::invalid_argument(wrong);
        }
        add({address, merged(own, options.trust), own_way}, options);
    }));
    reader.refuse("secret", fmt::format("no secret can be in {}, expected secret-file with the "
                                        "name of a file",
                                        name));
    reader.finish();
    if (const std::string wrong = merged(own, options.trust).contradiction(); !wrong.empty())
        problems.add(setting.place, fmt::format("{}: {}", name, wrong));
}

} // namespace

OptionList describe_trust(TrustOptions& options)
{
    const Trait reloads = Trait::reloads;
    OptionList all = describe(options, "ORIGIN_PROXY_SECRET");
    append(all, all.front().group,
           {{"tls-ca", as_file(options.ca_file),
             "The authority of the remote proxy's certificate, PEM; without it, those that the "
             "system trusts",
             reloads},
            {"tls-server-name", as_name(options.server_name),
             "The name in the remote proxy's certificate, if it is not the host in "
             "--remote-proxy-addr",
             reloads},
            {"tls-insecure", as_switch(options.insecure),
             "Take any certificate: encrypted, but perhaps with somebody else",
             reloads | Trait::flag_only}});
    return all;
}

OptionList describe_remote_proxy(TrustOptions& own, ConnectThrough& way,
                                 std::function<void(const std::string& address)> add)
{
    OptionList all = describe_trust(own);
    append(all, describe(way));
    append(all, {{"addr", as_text("HOST:PORT", std::move(add)), "Its control address",
                  Trait::required | Trait::reloads}});
    return all;
}

void add_remote_proxy(std::string_view address, OriginOptions& options)
{
    add({read_address(address), std::nullopt}, options);
}

void read_remote_proxies(const Setting& tables, OriginOptions& options, Problems& problems)
{
    for_each_table(tables, problems,
                   [&](const Setting& table) { read_remote_proxy(table, options, problems); });
}

} // namespace tunnel
