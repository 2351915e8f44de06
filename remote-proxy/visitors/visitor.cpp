#include "remote-proxy/visitors/visitor.hpp"

namespace tunnel {

void Visitor::end_attempt(AttemptEnd how)
{
    switch (how) {
    case AttemptEnd::refused:
        if (!refused_by)
            refused_by = std::make_unique<std::vector<OriginId>>();
        refused_by->push_back(attempt->by().origin);
        early.reset(); // the origin proxy has seen its ticket
        break;
    case AttemptEnd::broken:
        early.reset(); // as well
        break;
    case AttemptEnd::not_started:
        if (early)
            early->has_first_bytes.reset();
        break;
    case AttemptEnd::revoked:
    case AttemptEnd::maybe_heard:
        break;
    }
    attempt.reset();
}

Announce announcement(const Ticket& ticket, const Visitor& visitor, const RemoteService& service)
{
    const bool is_known = visitor.outside != tcp::endpoint();
    return {ticket, visitor.address(), service.offer(),
            is_known ? to_string(visitor.outside) : std::string(), service.wants_header};
}

} // namespace tunnel
