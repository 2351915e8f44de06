// Who an origin proxy is.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tunnel {

// Who has no name of a secret or certificate, since there is none or only one, goes by this.
inline constexpr std::string_view nameless_client = "origin";

// The name of what it has proved, its credential, and the name that it gives itself, which means
// something together with the credential alone. No I/O.
class OriginName {
public:
    // `credential` is empty if nothing was proved. `is_only`: there is one secret, and nobody has
    // to name it. `own` is empty for programs that have no name. `number` tells those apart that
    // are alike in all of that, from 1.
    OriginName(std::string_view credential, bool is_only, std::string own, std::size_t number = 1);

    // As it is shown, and as no other is that is logged in: "cellar/web1", or "web1" where nobody
    // names credentials, and with "#2" behind it where there is another one already.
    const std::string& shown() const { return shown_; }

    // The same without the number: what its services are called by and its settings kept under.
    std::string identity() const;

    // What its services are called by where that is enough: its credential, or its own name where
    // nobody names credentials.
    std::string family() const { return is_named_ ? credential_ : identity(); }

    // The name of its credential, as it is shown.
    const std::string& credential() const { return credential_; }

    // Whether it is meant by `text`: one of the three above, or of a certificate for
    // NAME@DOMAIN its NAME.
    bool answers_to(std::string_view text) const;

    // They share a credential and a name, so the one may be another run of the other.
    bool is_alike(const OriginName& other) const
    {
        return credential_ == other.credential_ && own_ == other.own_;
    }

    std::size_t number() const { return number_; }

private:
    std::string credential_;
    bool is_named_; // somebody has given the credential its name
    std::string own_;
    std::size_t number_;
    std::string shown_;
};

} // namespace tunnel
