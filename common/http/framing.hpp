// The fields that both kinds of heads are read for: those that say where a message ends, and which
// of the others are of one connection only.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "common/http/field_names.hpp"
#include "common/http/message_head.hpp"

namespace tunnel {

class BodyFraming {
public:
    // Whether the field may be there; if not, objection() says why.
    bool take(KnownName known, std::string_view value);

    // When all fields have been taken, whether they fit together.
    bool finish(bool is_http_1_0);

    // Of the message's sender, why it is not taken.
    const char* objection() const { return objection_; }

    // What the fields say; `none` if they say nothing.
    BodySize body() const { return body_; }

    bool says_close() const { return says_close_; }

    bool says_keep_alive() const { return says_keep_alive_; }

    bool says_upgrade() const { return says_upgrade_; }

private:
    bool object(const char* why);
    bool take_length(std::string_view value);
    bool take_coding(std::string_view value);
    bool take_options(std::string_view value);

    BodySize body_{};
    const char* objection_ = "";
    std::size_t options_ = 0; // of all Connection fields
    bool says_close_ = false;
    bool says_keep_alive_ = false;
    bool says_upgrade_ = false;
};

// Whether a Connection field among them names this one.
bool names_field(std::span<const HeaderField> fields, std::string_view name);

} // namespace tunnel
