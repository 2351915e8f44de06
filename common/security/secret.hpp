// The secret by which both proxies trust each other.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/security/key.hpp"

namespace tunnel {

// The two keys derived from a secret, and its public name. The secret itself is not kept.
struct Credential {
    // Goes out in clear, as the identity of a TLS pre-shared key: which secret, not what it is.
    RandomBytes id{};
    Key tls;    // the pre-shared key of the control connection
    Key log_in; // of the challenge and response where encryption is off

    friend bool operator==(const Credential& one, const Credential& other)
    {
        return one.id == other.id;
    }
};

// Throws std::runtime_error, without the secret's text, if it is too easy to guess (with one
// recorded log-in an attacker can try any number of secrets), or cannot be a secret, see
// objection_to_secret(). `where` names its source. From then on the process keeps its memory
// private.
Credential parse_secret(std::string_view text, std::string_view where);

// The secret in a file, without surrounding spaces and line ends. Throws std::runtime_error. Logs a
// warning if other users can read the file.
Credential read_secret_file(const std::string& path);

// 256 random bits as 43 characters.
std::string generate_secret();

// Writes a new secret to stdout, for `program gen-secret > FILE`; a regular file is made unreadable
// for others first. As {"secret":"..."} if JSON is wanted. Returns the exit code.
int print_secret(bool as_json = false);

} // namespace tunnel
