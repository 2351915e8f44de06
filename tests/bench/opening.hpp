// New visitors: connect, a request there, an answer back.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <netinet/in.h>
#include <vector>

#include "tests/bench/connection.hpp"
#include "tests/bench/protocol.hpp"
#include "tests/bench/result.hpp"

namespace bench {

// Ends with whichever comes first.
struct Opening {
    sockaddr_in target{};
    std::uint16_t ports = 1; // that of the target and those after it, in turn
    Protocol protocol = Protocol::raw;
    SSL_CTX* tls = nullptr; // of HTTPS
    bool keep = true;       // the visitors, who will ask more
    int at_once = 1;
    std::uint64_t count = 1;
    Clock::duration duration = std::chrono::seconds(30);
};

// Hands over each visitor that got its answer, with the time from connect() to the answer. Visitors
// that are still waiting when the duration is over are waited for, but not handed over.
void open_visitors(const Opening& opening, Errors& errors,
                   const std::function<void(Connection visitor, Clock::duration answered)>& opened);

// `count` visitors that each got an answer; fewer if there were errors. `tls`: null, or what HTTPS
// visitors use and must outlive them.
std::vector<Connection> open_many(const sockaddr_in& target, std::uint64_t count, Protocol protocol,
                                  SSL_CTX* tls, Errors& errors);

} // namespace bench
