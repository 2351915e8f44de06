// What both proxies are given to trust each other.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/security/key.hpp"

namespace tunnel {

// The two keys that a secret stands for, and its public name. The secret itself is not kept.
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

// Throws std::runtime_error, without the secret's text, if it is too short to resist guessing:
// whoever records one log-in may try as many secrets as he likes; or if it cannot be a secret, see
// objection_to_secret(). `where` names its source. From then on the process keeps its memory
// private.
Credential parse_secret(std::string_view text, std::string_view where);

// The secret in a file, spaces and line ends around it aside. Throws std::runtime_error. Warns in
// the log if others than the owner may read the file.
Credential read_secret_file(const std::string& path);

// 256 random bits as 43 characters.
std::string generate_secret();

// Writes a fresh secret on stdout, for `program gen-secret > FILE`; a regular file is made
// unreadable for others first. As {"secret":"..."} if JSON is wanted. The exit code.
int print_secret(bool as_json = false);

} // namespace tunnel
