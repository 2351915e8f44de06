// Somebody on the way between two peers, who sees all bytes, and may do with them what he likes.
#pragma once

#include <atomic>
#include <cstddef>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/stream.hpp"

namespace tunnel::test {

// Listens on 127.0.0.1, and passes every connection on to `target`.
class Middle {
public:
    explicit Middle(const tcp::endpoint& target);
    ~Middle();

    tcp::endpoint endpoint() const { return server_.endpoint(); }

    // Connections that have come so far.
    std::size_t connections() const;

    // What the dialling peer has sent on that connection.
    std::string recorded(std::size_t connection) const;

    // All bytes that have passed, either way, on any.
    std::string everything() const;

    // Ends TCP's streams both ways, which says nothing to TLS; the bytes that come afterwards are
    // dropped.
    void end(std::size_t connection) { ask(connection, &Passing::to_end); }

    // The next piece that the accepting peer sends arrives with a bit of its last byte changed.
    void change_answer(std::size_t connection) { ask(connection, &Passing::to_change); }

private:
    struct Passing {
        Stream dialler;
        Stream target;
        std::string up{};
        std::string down{};
        bool up_open = true;
        bool down_open = true;
        bool to_end = false;
        bool to_change = false;
        bool ended = false;
    };

    void ask(std::size_t connection, bool Passing::*what);
    void run();
    void pass(Passing& passing, bool upwards);

    Server server_;
    tcp::endpoint target_;
    mutable std::mutex mutex_;
    std::vector<Passing> all_;
    std::atomic<bool> stopping_ = false;
    std::thread thread_;
};

} // namespace tunnel::test
