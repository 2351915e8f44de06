// Who may do what at the management interface.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/http/request.hpp"
#include "common/http/response.hpp"
#include "common/options/management_options.hpp"
#include "common/security/key.hpp"

namespace tunnel {

// The valid tokens. They are not kept, only what they are compared by.
class Tokens {
public:
    enum class Role : std::uint8_t { nobody, reader, admin };

    Tokens() = default; // none: everybody is admin

    // Reads the files; throws std::runtime_error that names the useless one, without its contents.
    explicit Tokens(const ManagementOptions& options);

    // The role of a request with this Authorization header.
    Role role_of(std::string_view authorization) const;

private:
    std::optional<Key> admin_;
    std::optional<Key> reader_;
};

class Access {
public:
    // `loopback` is the host that the interface listens at, if it is a loopback address: then a
    // request must name it. A foreign web page can make a browser on this machine send requests
    // here, under the name of its site (DNS rebinding).
    explicit Access(Tokens tokens, std::optional<std::string> loopback = std::nullopt);

    // The answer 421 or 401 to a client that may not ask anything; nullopt: it may. Here and below
    // only the head of the request is used.
    std::optional<Response> objection(const Request& request) const;

    // The answer 403 or 415 to a request that is not allowed or has the wrong type.
    std::optional<Response> objection_to_change(const Request& request) const;

    void change(Tokens tokens) { tokens_ = std::move(tokens); }

private:
    bool is_meant_for_here(std::string_view host) const;

    Tokens tokens_;
    std::optional<std::string> loopback_;
};

} // namespace tunnel
