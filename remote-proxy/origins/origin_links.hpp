// The origin proxies that are logged in.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/ids.hpp"
#include "remote-proxy/origins/origin_link.hpp"

namespace tunnel {

// Each link lives in a coroutine, and is in this list from its log-in until it is lost. No I/O, no
// clock.
class OriginLinks {
public:
    // A credential of which an origin proxy is here, or has been.
    struct Client {
        bool is_here = false;
        bool has_left = false; // before it came, or now
    };

    void add(OriginLink& link);

    // Its session is a former one from now on.
    void remove(OriginLink& link);

    std::size_t size() const { return links_.size(); }

    bool empty() const { return links_.empty(); }

    // By the time they came. Nothing may be added or removed meanwhile: take all() for that.
    auto begin() const { return links_.begin(); }

    auto end() const { return links_.end(); }

    std::vector<OriginLink*> all() const { return links_; }

    bool contains(const OriginLink* link) const;

    // Null: it is not here.
    OriginLink* find(std::uint64_t number) const;
    OriginLink* find(const SessionId& session) const;

    // Of the same run of the same origin proxy; null: there is none.
    OriginLink* find(const OriginId& origin, const OriginName& name) const;

    // Those that are meant by the name: of a run, an origin proxy or a credential.
    std::vector<OriginLink*> named(std::string_view name) const;

    bool has_named(std::string_view name) const;

    // Those that share the credential and their own name.
    std::vector<OriginLink*> alike(const OriginName& name) const;

    // So many have shown this credential.
    std::size_t with_credential(const std::string& name) const;

    // By the names of the credentials, as whoever sets tunnels knows them.
    const std::map<std::string, Client>& clients() const { return clients_; }

    // The session has ended, so its data connections may still be on their way.
    bool was_session(const SessionId& session) const;

private:
    void note_client(const OriginName& origin);

    std::vector<OriginLink*> links_;
    std::map<std::string, Client> clients_;
    std::array<SessionId, 8> former_sessions_{}; // the latest first
};

} // namespace tunnel
