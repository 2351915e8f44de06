// Who may ask what of the management interface.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/http/request.hpp"
#include "common/http/response.hpp"
#include "common/options/management_options.hpp"
#include "common/security/key.hpp"

namespace tunnel {

// The tokens that are good. None of them is kept, only what it is compared by.
class Tokens {
public:
    enum class Role : std::uint8_t { nobody, reader, admin };

    Tokens() = default; // none: everybody is admin

    // Reads the files; throws std::runtime_error that names the one that is of no use, without what
    // is in it.
    explicit Tokens(const ManagementOptions& options);

    // Of whoever sends this Authorization header.
    Role role_of(std::string_view authorization) const;

private:
    std::optional<Key> admin_;
    std::optional<Key> reader_;
};

class Access {
public:
    // `loopback` is the host that it listens at if that is a loopback address: then a request must
    // be meant for it. A page of a foreign site can make a browser of this machine send requests
    // here, under the name of that site (DNS rebinding).
    explicit Access(Tokens tokens, std::optional<std::string> loopback = std::nullopt);

    // Why whoever sends it hears nothing of what there is: 421, 401; nullopt: he may. Here and
    // below, all that is needed of the request is its head.
    std::optional<Response> objection(const Request& request) const;

    // Why he may not do that, or not so, to something that there is: 403, 415.
    std::optional<Response> objection_to_change(const Request& request) const;

    void change(Tokens tokens) { tokens_ = std::move(tokens); }

private:
    bool is_meant_for_here(std::string_view host) const;

    Tokens tokens_;
    std::optional<std::string> loopback_;
};

} // namespace tunnel
