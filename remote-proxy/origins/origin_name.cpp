#include "remote-proxy/origins/origin_name.hpp"

#include <utility>

#include <fmt/format.h>

#include "remote-proxy/options/client_identifier.hpp"

namespace tunnel {

OriginName::OriginName(std::string_view credential, bool is_only, std::string own,
                       std::size_t number)
    : credential_(credential.empty() ? nameless_client : credential),
      is_named_(!credential.empty() && !is_only),
      own_(std::move(own)),
      number_(number),
      shown_(number > 1 ? fmt::format("{}#{}", identity(), number) : identity())
{
}

std::string OriginName::identity() const
{
    if (own_.empty())
        return credential_;
    return is_named_ ? fmt::format("{}/{}", credential_, own_) : own_;
}

bool OriginName::answers_to(std::string_view text) const
{
    return text == shown_ || text == credential_ || text == identity() ||
           text == client_identifier(credential_);
}

} // namespace tunnel
