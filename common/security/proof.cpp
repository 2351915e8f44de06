#include "common/security/proof.hpp"

namespace tunnel {

namespace {

void append(std::string& text, std::uint64_t number, int bytes)
{
    for (int i = bytes; i-- > 0;)
        text += static_cast<char>(number >> (8 * i) & 0xff);
}

void append(std::string& text, const RandomBytes& bytes)
{
    text.append(bytes.begin(), bytes.end());
}

// Fields of fixed sizes, then the one that is not: no two log-ins come to the same text.
std::string agreed(const LogIn& log_in, const RandomBytes& nonce)
{
    std::string text;
    append(text, log_in.claimed.value().nonce);
    append(text, nonce);
    append(text, log_in.claimed->credential);
    append(text, log_in.origin.bytes);
    append(text, log_in.lowest_version, 2);
    append(text, log_in.highest_version, 2);
    return text + log_in.service;
}

} // namespace

ProofBytes prove(const Key& key, Role role, const LogIn& log_in, const RandomBytes& nonce)
{
    return mac(key, (role == Role::remote ? "remote" : "origin") + agreed(log_in, nonce));
}

Key session_key(const Key& key, const LogIn& log_in, const RandomBytes& nonce)
{
    const std::string text = agreed(log_in, nonce);
    return derive(key.bytes, "session",
                  {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

ProofBytes prove_dial_back(const Key& session, const Ticket& ticket)
{
    std::string text = "dial_back";
    append(text, ticket.bytes);
    return mac(session, text);
}

ProofBytes prove_park(const Key& session, std::uint64_t number)
{
    std::string text = "park";
    append(text, number, 8);
    return mac(session, text);
}

} // namespace tunnel
