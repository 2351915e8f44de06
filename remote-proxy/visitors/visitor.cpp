#include "remote-proxy/visitors/visitor.hpp"

namespace tunnel {

void Visitor::end_attempt(AttemptEnd how)
{
    switch (how) {
    case AttemptEnd::refused:
        refused_by.push_back(attempt->by().origin);
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
    return {ticket, visitor.address, service.offer(), visitor.outside, service.wants_header};
}

} // namespace tunnel
