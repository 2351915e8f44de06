// What a running program and the one that takes over say to each other: pure, no I/O.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace tunnel::takeover {

// Of the messages; a program knows a range of them.
inline constexpr int lowest_version = 1;
inline constexpr int highest_version = 1;

// The successor, first.
struct Hello {
    int lowest = lowest_version;
    int highest = highest_version;
    std::string program{};         // "remote-proxy"
    std::string program_version{}; // "0.1.0"

    friend bool operator==(const Hello&, const Hello&) = default;
};

// The running program, in the place of anything else; it closes the connection then.
struct Refused {
    std::string why{};

    friend bool operator==(const Refused&, const Refused&) = default;
};

// The running program, after the greeting and once more when it takes nobody in any more: its
// listening sockets, with a descriptor for each of the uses. More may follow.
struct Sockets {
    std::vector<std::string> uses{};
    bool is_last = true;

    friend bool operator==(const Sockets&, const Sockets&) = default;
};

// The successor: nothing can fail any more, it waits to serve.
struct Ready {
    friend bool operator==(const Ready&, const Ready&) = default;
};

// The running program: it takes nobody in any more, and this is what its successor has to know. A
// part; the whole is the text of all parts.
struct State {
    std::string text{};
    bool is_last = true;

    friend bool operator==(const State&, const State&) = default;
};

// The successor: it serves as soon as the other has left.
struct Serving {
    friend bool operator==(const Serving&, const Serving&) = default;
};

// The running program: it has left, and ends when its visitors have.
struct Left {
    friend bool operator==(const Left&, const Left&) = default;
};

using Message = std::variant<Hello, Refused, Sockets, Ready, State, Serving, Left>;

std::string encode(const Message& message);

// nullopt: it is none. Members that are not known are skipped.
std::optional<Message> decode(std::string_view text);

// Why the two cannot do it together, in words; empty: they can. `running` is the program that is
// asked.
std::string objection(const Hello& hello, const Hello& running);

} // namespace tunnel::takeover
