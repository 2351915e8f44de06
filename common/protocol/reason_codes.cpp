#include "common/protocol/reason_codes.hpp"

namespace tunnel {

Code code_of(RejectReason reason)
{
    switch (reason) {
    case RejectReason::version:
        return Code::no_common_version;
    case RejectReason::service:
        return Code::no_such_service;
    case RejectReason::in_use:
        return Code::in_use;
    case RejectReason::shutting_down:
        return Code::shutting_down;
    case RejectReason::not_trusted:
        return Code::not_trusted;
    case RejectReason::name:
        return Code::bad_name;
    case RejectReason::too_many:
        return Code::too_many;
    }
    return Code::failed;
}

Code code_of(DeclineReason reason)
{
    switch (reason) {
    case DeclineReason::not_allowed:
        return Code::not_allowed;
    case DeclineReason::in_use:
        return Code::in_use;
    case DeclineReason::cannot_listen:
        return Code::cannot_listen;
    case DeclineReason::too_many:
        return Code::too_many;
    case DeclineReason::removed:
        return Code::removed;
    case DeclineReason::host_taken:
        return Code::host_taken;
    case DeclineReason::host_not_allowed:
        return Code::host_not_allowed;
    case DeclineReason::no_certificate:
        return Code::no_certificate;
    }
    return Code::failed;
}

} // namespace tunnel
