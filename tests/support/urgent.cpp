#include "tests/support/urgent.hpp"

#include <algorithm>
#include <cerrno>

#include <sys/socket.h>

namespace tunnel::test {

void send_urgent(Stream& stream, std::string_view bytes)
{
    while (!bytes.empty()) {
        const ssize_t size =
            ::send(stream.descriptor(), bytes.data(), bytes.size(), MSG_OOB | MSG_NOSIGNAL);
        if (size < 0)
            throw std::system_error(errno, std::system_category(), "send urgent data");
        bytes.remove_prefix(static_cast<std::size_t>(size));
    }
}

UrgentScript::UrgentScript(std::mt19937& random, std::size_t most)
    : text_(random_text(random() % (most + 1), static_cast<std::uint32_t>(random())))
{
    const std::size_t largest = random() % 2 == 0 ? 300'000 : 3000;
    const std::size_t one_in = 1 + random() % 6;
    for (std::size_t left = text_.size(); left > 0; left -= pieces_.back().size) {
        const bool urgent = random() % one_in == 0;
        const std::size_t limit = urgent && random() % 2 == 0 ? 1 : largest;
        pieces_.push_back({std::min<std::size_t>(left, 1 + random() % limit), urgent});
    }
}

void UrgentScript::play(Stream& stream) const
{
    std::string_view rest = text_;
    for (const Piece& piece : pieces_) {
        if (piece.urgent)
            send_urgent(stream, rest.substr(0, piece.size));
        else
            stream.send(rest.substr(0, piece.size));
        rest.remove_prefix(piece.size);
    }
    stream.finish();
}

} // namespace tunnel::test
