#include <doctest/doctest.h>

#include <utility>
#include <vector>

#include "common/security/proof.hpp"
#include "common/security/secret.hpp"

using namespace tunnel;

namespace {

const Key& key()
{
    static const Credential credential = parse_secret("0123456789abcdef0123456789abcdef", "here");
    return credential.log_in;
}

LogIn a_log_in()
{
    LogIn log_in;
    log_in.program_version = "1.2.3";
    log_in.origin = {random_bytes()};
    log_in.claimed = Claimed{random_bytes(), random_bytes()};
    return log_in;
}

// Every log-in that somebody on the way, or of another time, could put in the place of `log_in`.
std::vector<LogIn> changed(const LogIn& log_in)
{
    std::vector<LogIn> all(7, log_in);
    all[0].lowest_version = 0;
    all[1].highest_version = 2;
    all[2].service = "defaul";
    all[3].service = "default ";
    all[4].origin.bytes[15] ^= 1;
    all[5].claimed->nonce[0] ^= 1;
    all[6].claimed->credential[7] ^= 1;
    return all;
}

} // namespace

TEST_CASE("the proof of one side is not that of the other")
{
    const LogIn log_in = a_log_in();
    const RandomBytes nonce = random_bytes();
    CHECK(prove(key(), Role::remote, log_in, nonce) == prove(key(), Role::remote, log_in, nonce));
    CHECK(prove(key(), Role::remote, log_in, nonce) != prove(key(), Role::origin, log_in, nonce));
}

TEST_CASE("a proof and the session's key change with each nonce and with all that was agreed on")
{
    const LogIn log_in = a_log_in();
    RandomBytes nonce = random_bytes();
    for (const Role role : {Role::remote, Role::origin}) {
        const ProofBytes proof = prove(key(), role, log_in, nonce);
        for (const LogIn& other : changed(log_in)) {
            CHECK(prove(key(), role, other, nonce) != proof);
            CHECK(session_key(key(), other, nonce).bytes !=
                  session_key(key(), log_in, nonce).bytes);
        }
        RandomBytes another = nonce;
        another.back() ^= 1;
        CHECK(prove(key(), role, log_in, another) != proof);
        Key other_key = key();
        other_key.bytes.back() ^= 1;
        CHECK(prove(other_key, role, log_in, nonce) != proof);
    }
    const Key session = session_key(key(), log_in, nonce);
    nonce.front() ^= 1;
    CHECK(session_key(key(), log_in, nonce).bytes != session.bytes);
}

TEST_CASE("the two nonces cannot change places")
{
    LogIn log_in = a_log_in();
    const RandomBytes nonce = random_bytes();
    const ProofBytes proof = prove(key(), Role::origin, log_in, nonce);
    const RandomBytes own = std::exchange(log_in.claimed->nonce, nonce);
    CHECK(prove(key(), Role::origin, log_in, own) != proof);
}

TEST_CASE("the session's key is none of the proofs, which the network has seen")
{
    const LogIn log_in = a_log_in();
    const RandomBytes nonce = random_bytes();
    const Key session = session_key(key(), log_in, nonce);
    CHECK(session.bytes != prove(key(), Role::remote, log_in, nonce));
    CHECK(session.bytes != prove(key(), Role::origin, log_in, nonce));
}

TEST_CASE("the proof of a data connection is good for its ticket or number only")
{
    const Key session = derive(key().bytes, "session");
    const Ticket one{random_bytes()};
    Ticket other = one;
    other.bytes.front() ^= 1;
    CHECK(prove_dial_back(session, one) != prove_dial_back(session, other));
    CHECK(prove_dial_back(session, one) != prove_dial_back(key(), one));
    CHECK(prove_park(session, 1) != prove_park(session, 2));
    CHECK(prove_park(session, 1) != prove_park(session, 1ULL << 56));
    CHECK(prove_park(session, 1) != prove_park(key(), 1));
}
