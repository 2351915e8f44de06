// What the log and the events say of visitors.
#pragma once

#include <cstdint>
#include <string_view>

#include "common/base/code.hpp"
#include "common/management/events.hpp"
#include "common/relay/describe.hpp"
#include "remote-proxy/visitors/service.hpp"
#include "remote-proxy/visitors/visitor.hpp"

namespace tunnel {

class VisitorRecords {
public:
    // The hub must outlive it.
    explicit VisitorRecords(EventHub& events) : events_(events) {}

    void note_begin(const Visitor& visitor);

    // `up` and `down` are bytes, seen from the visitor.
    void note_end(const Visitor& visitor, std::uint64_t up, std::uint64_t down, const Reason& end,
                  Blame blame);

    // The visitor stays, for another request perhaps: it may do so as often as it likes, so the log
    // has no line for each.
    void note_hand_back(const Visitor& visitor, std::uint64_t up, std::uint64_t down);

    // For a visitor that was not let in; `is_limit`: by a rule of the service, or for want of room.
    // Null: it is not known for which service it came.
    void note_refusal(const PublicService* service, std::string_view address, const Reason& reason,
                      bool is_limit);

private:
    void publish_end(const Visitor& visitor, std::uint64_t up, std::uint64_t down,
                     const Reason& end);

    EventHub& events_;
};

} // namespace tunnel
