// With a secret but no encryption: both sides prove that they know it, and the origin proxy proves
// that its data connections are its own. Pure computation.
#pragma once

#include "common/protocol/frame.hpp"
#include "common/security/key.hpp"

namespace tunnel {

// The role is part of what is proved, so that no side's proof can be sent back to it as its own.
enum class Role : std::uint8_t { remote, origin };

// Of the secret's log-in key. The nonces are fresh, one from each side, so an old proof proves
// nothing; the rest is what was agreed on, so that nobody on the way can change it. `log_in` must
// have `claimed`.
ProofBytes prove(const Key& key, Role role, const LogIn& log_in, const RandomBytes& nonce);

// The key of the session that follows, which has never been on the network.
Key session_key(const Key& key, const LogIn& log_in, const RandomBytes& nonce);

// Of the session's key.
ProofBytes prove_dial_back(const Key& session, const Ticket& ticket);
ProofBytes prove_park(const Key& session, std::uint64_t number);

} // namespace tunnel
