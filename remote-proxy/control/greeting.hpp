// What a new connection to the control port says first.
#pragma once

#include <optional>
#include <string_view>
#include <system_error>

#include "common/base/asio.hpp"
#include "common/protocol/frame.hpp"
#include "common/security/handshake.hpp"
#include "common/security/handshake_budget.hpp"
#include "remote-proxy/control/control_port.hpp"
#include "remote-proxy/control/handshakes.hpp"

namespace tunnel {

inline constexpr std::string_view unknown_secret =
    "the remote proxy does not know this secret: give both proxies the same --secret-file";

// A connection that has not said yet what it is.
class ControlPort::Greeting final : public HelloGate {
public:
    Greeting(ControlPort& port, Connection& connection)
        : port_(port), connection_(connection), place_(port.admit(connection))
    {
    }

    // What it has said; nullopt: it has failed, and that is noted.
    awaitable<std::optional<Frame>> first_frame();

    awaitable<bool> admit(Offer offer) override;

    void answered(Clock::duration took) override
    {
        if (turn_)
            turn_->pay(took);
        turn_.reset();
    }

private:
    awaitable<void> secure();
    awaitable<void> shake_hands();
    void note_peer(const Handshake& handshake);
    std::string_view why_no_key_fits() const;
    std::optional<Key> find_key(std::string_view identity);
    void note_failure(std::error_code failure, std::string_view words);

    ControlPort& port_;
    Connection& connection_;
    Handshakes::Place place_;
    std::optional<HandshakeBudget::Turn> turn_;
    bool is_stale_ = false;   // a data connection, of a session that is gone
    bool has_no_key_ = false; // it was refused, since its hello named none of ours
    bool any_key_ = false;    // its hello named a key
};

} // namespace tunnel
