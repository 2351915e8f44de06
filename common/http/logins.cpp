#include "common/http/logins.hpp"

#include <algorithm>
#include <charconv>
#include <stdexcept>

#include <fmt/format.h>

namespace tunnel {

namespace {

// Costs that take no more than about a second of one thread, whatever the password.
constexpr int least_bcrypt_cost = 4;
constexpr int most_bcrypt_cost = 14;
constexpr unsigned least_sha_rounds = 1000; // what crypt(3) takes
constexpr unsigned most_sha_rounds = 500'000;
// As crypt_gensalt(3) writes its costs 1 to 7; the last one takes 64 MiB.
constexpr std::string_view yescrypt_costs[]{"j75", "j85", "j7T", "j8T", "j9T", "jAT", "jBT"};

constexpr std::string_view remedy = "write it with `htpasswd -B`";

bool is_hash_text(std::string_view text, std::size_t least, std::size_t most)
{
    constexpr std::string_view letters =
        "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    return text.size() >= least && text.size() <= most &&
           text.find_first_not_of(letters) == std::string_view::npos;
}

// "salt$hash".
bool is_salt_and_hash(std::string_view text, std::size_t longest_salt, std::size_t hash_size)
{
    const std::size_t end = text.find('$');
    return end != std::string_view::npos && is_hash_text(text.substr(0, end), 1, longest_salt) &&
           is_hash_text(text.substr(end + 1), hash_size, hash_size);
}

// The decimal number, without zeros in front, that `text` begins with, which is shortened by it.
// 0: there is none.
unsigned take_number(std::string_view& text)
{
    unsigned number = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc() || text.front() == '0')
        return 0;
    text.remove_prefix(static_cast<std::size_t>(rest - text.data()));
    return number;
}

std::string too_costly(std::string_view most)
{
    return fmt::format("checking its password would take too long: its cost is {} at most", most);
}

// Of what stands behind "$2y$".
std::string objection_to_bcrypt(std::string_view rest)
{
    const auto is_digit = [](char letter) { return letter >= '0' && letter <= '9'; };
    if (rest.size() != 56 || !is_digit(rest[0]) || !is_digit(rest[1]) || rest[2] != '$' ||
        !is_hash_text(rest.substr(3), 53, 53))
        return "its bcrypt hash is not whole";
    const int cost = (rest[0] - '0') * 10 + (rest[1] - '0');
    if (cost < least_bcrypt_cost)
        return "its bcrypt hash has no such cost";
    return cost > most_bcrypt_cost ? too_costly("14") : "";
}

// Of what stands behind "$6$".
std::string objection_to_sha(std::string_view rest, std::size_t hash_size)
{
    constexpr std::string_view with_rounds = "rounds=";
    unsigned rounds = least_sha_rounds;
    if (rest.starts_with(with_rounds)) {
        rest.remove_prefix(with_rounds.size());
        rounds = rest.empty() ? 0 : take_number(rest);
        if (rounds < least_sha_rounds || !rest.starts_with('$'))
            return "its SHA-crypt hash has no such number of rounds";
        rest.remove_prefix(1);
    }
    if (!is_salt_and_hash(rest, 16, hash_size))
        return "its SHA-crypt hash is not whole";
    return rounds > most_sha_rounds ? too_costly("rounds=500000") : "";
}

// Of what stands behind "$y$".
std::string objection_to_yescrypt(std::string_view rest)
{
    const std::size_t end = std::min(rest.find('$'), rest.size());
    if (end == rest.size() || !is_salt_and_hash(rest.substr(end + 1), 86, 43))
        return "its yescrypt hash is not whole";
    const bool is_known = std::ranges::count(yescrypt_costs, rest.substr(0, end)) != 0;
    return is_known ? "" : too_costly("that of `mkpasswd -m yescrypt -R 7`");
}

// Of those with a prefix that crypt(3), or Apache, knows.
std::string objection_to_weak(std::string_view hash)
{
    for (const std::string_view prefix : {"$apr1$", "$1$", "$md5"}) {
        if (hash.starts_with(prefix))
            return fmt::format("its hash is one of MD5, which is guessed quickly: {}", remedy);
    }
    if (hash.starts_with("{SHA}"))
        return fmt::format("its hash is one of SHA-1, which is guessed quickly: {}", remedy);
    if (is_hash_text(hash, 13, 13))
        return fmt::format("its hash is one of DES, which is guessed quickly, or it is a password "
                           "as it is: {}",
                           remedy);
    return fmt::format("behind the colon stands no hash of bcrypt, SHA-crypt or yescrypt; a "
                       "password as it is, or another hash, is not taken: {}",
                       remedy);
}

std::string objection_to_hash(std::string_view hash)
{
    for (const std::string_view prefix : {"$2y$", "$2b$", "$2a$"}) {
        if (hash.starts_with(prefix))
            return objection_to_bcrypt(hash.substr(prefix.size()));
    }
    if (hash.starts_with("$5$"))
        return objection_to_sha(hash.substr(3), 43);
    if (hash.starts_with("$6$"))
        return objection_to_sha(hash.substr(3), 86);
    if (hash.starts_with("$y$"))
        return objection_to_yescrypt(hash.substr(3));
    return objection_to_weak(hash);
}

// It is sent on in a header.
std::string objection_to_user(std::string_view user)
{
    if (user.empty())
        return "there is no name before the colon";
    if (user.size() > Logins::longest_user)
        return fmt::format("its name is longer than {} bytes", Logins::longest_user);
    if (user.front() == ' ' || user.back() == ' ')
        return "its name begins or ends with a blank";
    const bool has_control =
        std::ranges::any_of(user, [](unsigned char each) { return each < ' ' || each == 127; });
    return has_control ? "its name has a control character" : "";
}

[[noreturn]] void refuse_login(const std::string& place, std::string_view why)
{
    throw std::runtime_error(fmt::format("{}: {}", place, why));
}

std::string_view without_blanks_behind(std::string_view line)
{
    const std::size_t last = line.find_last_not_of(" \t\r");
    return line.substr(0, last == std::string_view::npos ? 0 : last + 1);
}

} // namespace

void Logins::add(std::string_view line, const std::string& place)
{
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos)
        refuse_login(place, "it is no \"user:hash\", as `htpasswd -B` writes it");
    const std::string_view user = line.substr(0, colon);
    std::string_view hash = line.substr(colon + 1);
    hash = hash.substr(0, hash.find(':'));
    std::string objection = objection_to_user(user);
    if (objection.empty())
        objection = objection_to_hash(hash);
    if (objection.empty() && find(user) != nullptr)
        objection = "an earlier one has the same name";
    if (objection.empty() && all_.size() == most_users)
        objection = fmt::format("there are more than {}", most_users);
    if (!objection.empty())
        refuse_login(place, objection);
    all_.push_back({std::string(user), std::string(hash)});
}

Logins Logins::parse(std::string_view text, std::string_view path)
{
    if (text.size() > largest_text)
        refuse_login(std::string(path),
                     fmt::format("it is larger than {} KiB", largest_text / 1024));
    Logins logins;
    for (std::size_t number = 1; !text.empty(); ++number) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        const std::string_view line = without_blanks_behind(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
        if (!line.empty() && line.front() != '#')
            logins.add(line, fmt::format("{}:{}", path, number));
    }
    if (logins.all_.empty())
        refuse_login(std::string(path),
                     "it has no login: a line is \"user:hash\", as `htpasswd -B` "
                     "writes it");
    return logins;
}

Logins Logins::of_lines(const std::vector<std::string>& lines)
{
    Logins logins;
    std::size_t size = 0;
    for (std::size_t i = 0; i < lines.size(); ++i) {
        size += lines[i].size();
        if (size > largest_text)
            refuse_login("logins", fmt::format("they are larger than {} KiB", largest_text / 1024));
        logins.add(lines[i], fmt::format("login {}", i + 1));
    }
    if (logins.all_.empty())
        refuse_login("logins", "there are none");
    return logins;
}

std::vector<std::string> Logins::lines() const
{
    std::vector<std::string> lines;
    lines.reserve(all_.size());
    for (const Login& each : all_)
        lines.push_back(fmt::format("{}:{}", each.user, each.hash));
    return lines;
}

const Logins::Login* Logins::find(std::string_view user) const
{
    const auto found = std::ranges::find(all_, user, &Login::user);
    return found == all_.end() ? nullptr : &*found;
}

} // namespace tunnel
