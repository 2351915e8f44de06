// New visitors: connect, a byte there, a byte back.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <netinet/in.h>
#include <vector>

#include "tests/bench/result.hpp"
#include "tests/bench/socket.hpp"

namespace bench {

// Ends with whichever comes first.
struct Opening {
    sockaddr_in target{};
    std::uint16_t ports = 1; // that of the target and those after it, in turn
    int at_once = 1;
    std::uint64_t count = 1;
    Clock::duration duration = std::chrono::seconds(30);
};

// Hands over each visitor that got its byte, with the time from connect() to the byte. Visitors
// that are still waiting when the duration is over are waited for, but not handed over.
void open_visitors(const Opening& opening, Errors& errors,
                   const std::function<void(Fd visitor, Clock::duration first_byte)>& opened);

// `count` visitors that each moved a byte; fewer if there were errors.
std::vector<Fd> open_many(const sockaddr_in& target, std::uint64_t count, Errors& errors);

} // namespace bench
