#include "common/security/session.hpp"

#include <algorithm>

namespace tunnel {

namespace {

constexpr char of_control = 'c';
constexpr char of_data = 'd';
constexpr std::size_t id_size = std::tuple_size_v<RandomBytes>;

RandomBytes bytes_at(std::string_view text, std::size_t place)
{
    RandomBytes bytes{};
    std::ranges::copy(text.substr(place, id_size), bytes.begin());
    return bytes;
}

} // namespace

PresharedKey control_key(const Credential& credential)
{
    std::string identity(1, of_control);
    identity.append(credential.id.begin(), credential.id.end());
    return {std::move(identity), credential.tls};
}

PresharedKey data_key(const SessionId& session, const Key& session_key, const RandomBytes& once)
{
    std::string identity(1, of_data);
    identity.append(session.bytes.begin(), session.bytes.end());
    identity.append(once.begin(), once.end());
    return {std::move(identity), derive(session_key.bytes, "data connection", once)};
}

std::optional<ControlIdentity> parse_control_identity(std::string_view identity)
{
    if (identity.size() != 1 + id_size || identity.front() != of_control)
        return std::nullopt;
    return ControlIdentity{bytes_at(identity, 1)};
}

std::optional<DataIdentity> parse_data_identity(std::string_view identity)
{
    if (identity.size() != 1 + 2 * id_size || identity.front() != of_data)
        return std::nullopt;
    return DataIdentity{SessionId{bytes_at(identity, 1)}, bytes_at(identity, 1 + id_size)};
}

} // namespace tunnel
