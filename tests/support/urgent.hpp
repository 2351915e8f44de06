// Urgent data (MSG_OOB), as telnet, rlogin, FTP and older databases send it.
#pragma once

#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/stream.hpp"

namespace tunnel::test {

// Sends `bytes`, of which the last is urgent. Throws as Stream::send().
void send_urgent(Stream& stream, std::string_view bytes);

// A stream in pieces, drawn by lot; some of them end with an urgent byte.
class UrgentScript {
public:
    // Of up to `most` bytes.
    UrgentScript(std::mt19937& random, std::size_t most);

    // Sends all of it, and then the end of the stream.
    void play(Stream& stream) const;

    const std::string& text() const { return text_; }

private:
    struct Piece {
        std::size_t size;
        bool urgent;
    };

    std::string text_;
    std::vector<Piece> pieces_;
};

} // namespace tunnel::test
