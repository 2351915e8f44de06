// The cases that `tunnel-bench run` knows. Each returns what it measured; "errors" tells what went
// wrong, by its words.
#pragma once

#include <cstdint>
#include <netinet/in.h>
#include <nlohmann/json.hpp>

#include "tests/bench/protocol.hpp"
#include "tests/bench/result.hpp"

namespace bench {

struct Load {
    sockaddr_in target{};
    std::uint16_t ports = 1; // new connections go to that of the target and those after it, in turn
    Protocol protocol = Protocol::raw; // connect, round trips, bulk and idle know others
    Clock::duration duration = std::chrono::seconds(1);
    std::uint64_t visitors = 1;
    int at_once = 1;
    std::size_t size = 1;
    bool up = true; // visitor to origin server
};

// As many new connections as go in `duration`, at most `visitors`, `at_once` of them at a time.
nlohmann::json run_connect(const Load& load);

// `visitors` that each send `size` bytes and wait for as many, again and again; in HTTP a request
// with a short answer.
nlohmann::json run_round_trips(const Load& load);

// `visitors` that send, or receive, what goes.
nlohmann::json run_bulk(const Load& load);

// `visitors` that send, or receive, HTTP bodies of `long_body` bytes one after the other; none
// begins when `duration` is over, and those that have begun count whole.
nlohmann::json run_bodies(const Load& load);
inline constexpr std::uint64_t long_body = 64 << 20;

// `visitors` who listen to events: how long each was under way.
nlohmann::json run_events(const Load& load);

// `visitors` that got a byte, or in HTTP an answer, and are then held, after the result is printed,
// until stdin ends or `duration` is over.
nlohmann::json run_idle(const Load& load);

// `visitors`, `at_once` at a time, that send a request, finish their side and must receive all of
// an answer that depends on every byte of the request.
nlohmann::json run_half_close(const Load& load);

// `visitors`, `at_once` at a time, that send pieces of 1 byte to 256 KiB and check what comes back.
nlohmann::json run_mixed(const Load& load);

} // namespace bench
