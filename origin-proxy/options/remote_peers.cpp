#include "origin-proxy/options/remote_peers.hpp"

#include <algorithm>
#include <cctype>
#include <stdexcept>

#include <fmt/format.h>

#include "common/base/log.hpp"
#include "common/options/table_reader.hpp"
#include "common/options/text_values.hpp"

namespace tunnel {

namespace {

constexpr Choices<Encryption, 3> encryptions{
    {{"auto", Encryption::automatic}, {"off", Encryption::off}, {"tls", Encryption::tls}}};

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

void read_file_name(TableReader& keys, const std::string& key, std::string& name)
{
    keys.one(key, [&name](const std::string& text) {
        if (text.empty())
            refuse_text(text, "the name of a file");
        name = text;
    });
}

bool says_any(const Setting& table, std::initializer_list<std::string_view> keys)
{
    return std::ranges::any_of(
        keys, [&table](std::string_view key) { return table.find(key) != nullptr; });
}

// What holds of `general` for this table: a secret and certificates exclude each other, so who has
// the one of its own does not want the other.
TrustOptions inherited(const TrustOptions& general, const Setting& table)
{
    TrustOptions trust = general;
    if (says_any(table, {"secret-file"})) {
        trust = TrustOptions();
        trust.encryption = general.encryption;
    } else if (says_any(table, {"tls-ca", "tls-server-name", "tls-cert", "tls-key"})) {
        trust.secret.reset();
        trust.secret_file.clear();
    }
    if (says_any(table, {"tls-ca"}))
        trust.insecure = false;
    return trust;
}

void read_remote_proxy(const Setting& table, OriginOptions& options, Problems& problems)
{
    const std::string name = "remote-proxies." + table.key;
    TrustOptions trust = inherited(options.trust, table);
    TableReader keys(table, name, problems);
    read_file_name(keys, "secret-file", trust.secret_file);
    read_file_name(keys, "tls-ca", trust.ca_file);
    read_file_name(keys, "tls-server-name", trust.server_name);
    read_file_name(keys, "tls-cert", trust.own.certificate);
    read_file_name(keys, "tls-key", trust.own.key);
    keys.one("encryption", [&trust](const std::string& text) {
        trust.encryption = read_choice(encryptions, text, "auto, off or tls");
    });
    keys.one("addr", [&](const std::string& text) { add({read_address(text), trust}, options); });
    keys.refuse("secret", fmt::format("no secret can be in {}, expected secret-file with the name "
                                      "of a file",
                                      name));
    keys.finish();
    if (table.find("addr") == nullptr)
        problems.add(table.place, name + " has no addr");
    if (const std::string wrong = trust.contradiction(); !wrong.empty())
        problems.add(table.place, fmt::format("{}: {}", name, wrong));
}

} // namespace

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
