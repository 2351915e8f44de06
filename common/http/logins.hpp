// Who may use a service: names, and hashes of passwords.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace tunnel {

// What Apache's htpasswd writes: a line "user:hash" for each. Hashes are those that take long to
// guess, and that crypt(3) knows: bcrypt, SHA-crypt and yescrypt, each only with a cost that takes
// no more than about a second and 64 MiB, because remote peers choose them.
class Logins {
public:
    static constexpr std::size_t most_users = 64;
    static constexpr std::size_t largest_text = 16 * 1024;
    static constexpr std::size_t longest_user = 64;

    struct Login {
        std::string user;
        std::string hash;

        friend bool operator==(const Login&, const Login&) = default;
    };

    // Empty lines, and those that begin with "#", are skipped, and so is what stands behind a
    // second colon. Throws std::runtime_error, "PATH:3: what is wrong and what to do", which never
    // shows a hash, or if there is no login at all. `path` only stands in front of the text.
    static Logins parse(std::string_view text, std::string_view path);

    // Of lines() that a peer has sent. Throws likewise, "login 3: ...".
    static Logins of_lines(const std::vector<std::string>& lines);

    // "user:hash" of each, to be sent to a peer.
    std::vector<std::string> lines() const;

    // Null: there is no such user.
    const Login* find(std::string_view user) const;

    // Whose hash stands in for that of an unknown user, so that both take the same time.
    const Login& first() const { return all_.front(); }

    std::size_t size() const { return all_.size(); }

    friend bool operator==(const Logins&, const Logins&) = default;

private:
    Logins() = default;

    void add(std::string_view line, const std::string& place);

    std::vector<Login> all_; // never empty
};

} // namespace tunnel
