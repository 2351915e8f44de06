#include "common/takeover/predecessor.hpp"

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/error.hpp"
#include "common/takeover/packet.hpp"

namespace tunnel {

namespace {

constexpr auto patience = std::chrono::seconds(10); // for each step

// Of all sockets and of the state, so that a peer cannot fill the memory.
constexpr std::size_t most_sockets = 65'536;
constexpr std::size_t largest_state = std::size_t{16} * 1024 * 1024;

// For its answer at the end. It is quick, unless it hangs.
constexpr auto patience_for_farewell = std::chrono::seconds(2);

// So long a program may wait until those are connected who are under way to their servers.
constexpr auto patience_for_visitors = std::chrono::seconds(20);

sockaddr_un socket_address(const std::string& path)
{
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path)
        throw std::runtime_error(fmt::format("the takeover socket {} has too long a path", path));
    std::memcpy(address.sun_path, path.data(), path.size());
    return address;
}

} // namespace

Predecessor::Predecessor(const std::string& path, const takeover::Hello& hello, uid_t user)
    : path_(path), socket_(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0))
{
    const sockaddr_un address = socket_address(path);
    if (!socket_.is_open())
        fail(last_error(), "cannot open a socket to take over");
    if (::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        throw std::runtime_error(fmt::format(
            "no program that could be taken over listens at the takeover socket {} ({}): start it "
            "without the word takeover, and with --takeover-socket, if none runs",
            path, last_error().message()));
    ucred who{};
    socklen_t size = sizeof who;
    if (::getsockopt(socket_.get(), SOL_SOCKET, SO_PEERCRED, &who, &size) != 0 ||
        (who.uid != 0 && who.uid != ::geteuid() && who.uid != user))
        throw std::runtime_error(fmt::format(
            "the program at the takeover socket {} is another user's (uid {}), who is not trusted",
            path, who.uid));
    send(hello);
}

GivenSockets Predecessor::take_sockets()
{
    return take_sockets(Clock::now() + patience);
}

GivenSockets Predecessor::take_sockets(Clock::time_point limit)
{
    GivenSockets all;
    for (;;) {
        std::vector<Fd> descriptors;
        const takeover::Message message = next(limit, &descriptors);
        const auto* const sockets = std::get_if<takeover::Sockets>(&message);
        if (sockets == nullptr || sockets->uses.size() != descriptors.size() ||
            all.size() + descriptors.size() > most_sockets)
            throw std::runtime_error(
                fmt::format("the program at {} did not say where it listens", path_));
        for (std::size_t i = 0; i < descriptors.size(); ++i)
            all.add(std::move(descriptors[i]), sockets->uses[i]);
        if (sockets->is_last)
            return all;
    }
}

std::string Predecessor::take_over(GivenSockets& given)
{
    send(takeover::Ready());
    std::string text;
    const auto limit = Clock::now() + patience_for_visitors;
    given = take_sockets(limit);
    for (;;) {
        takeover::Message message = next(limit);
        auto* const state = std::get_if<takeover::State>(&message);
        if (state == nullptr || text.size() + state->text.size() > largest_state)
            throw std::runtime_error(
                fmt::format("the program at {} did not say what it does", path_));
        text += state->text;
        if (state->is_last)
            return text;
    }
}

void Predecessor::serving()
{
    send_packet(socket_.get(), encode(takeover::Serving()));
    const auto limit = Clock::now() + patience_for_farewell;
    // The first look may tell of the end alone, and the second of what was said before it.
    for (int looks = 0; looks < 3 && Clock::now() < limit;) {
        Packet packet;
        const std::error_code error = receive_packet(socket_.get(), packet);
        if (error == std::errc::operation_would_block) {
            pollfd look{socket_.get(), POLLIN, 0};
            constexpr int a_moment = 50; // ms
            ::poll(&look, 1, a_moment);
            continue;
        }
        ++looks;
        const auto message = error ? std::nullopt : takeover::decode(packet.text);
        if (message && std::holds_alternative<takeover::Refused>(*message))
            throw std::runtime_error(fmt::format("the running program goes on: {}",
                                                 std::get<takeover::Refused>(*message).why));
        if (message)
            break;
    }
    socket_.close(); // it has left, or has been killed
}

void Predecessor::wait(short events, Clock::time_point limit) const
{
    for (;;) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(limit - Clock::now());
        pollfd look{socket_.get(), events, 0};
        const int ready =
            left.count() > 0 ? ::poll(&look, 1, static_cast<int>(left.count()) + 1) : 0;
        if (ready > 0)
            return;
        if (ready == 0)
            throw std::runtime_error(
                fmt::format("the program at the takeover socket {} does not answer", path_));
        if (errno != EINTR)
            fail(last_error(), "cannot wait for the running program");
    }
}

takeover::Message Predecessor::next(Clock::time_point limit, std::vector<Fd>* descriptors)
{
    Packet packet;
    std::error_code error;
    do {
        wait(POLLIN, limit);
        error = receive_packet(socket_.get(), packet);
    } while (error == std::errc::operation_would_block);
    if (error)
        throw std::runtime_error(fmt::format(
            "the program at the takeover socket {} has ended the takeover; its log says why",
            path_));
    auto message = takeover::decode(packet.text);
    if (!message)
        throw std::runtime_error(
            fmt::format("the program at {} says what has no meaning here", path_));
    if (const auto* const refused = std::get_if<takeover::Refused>(&*message))
        throw std::runtime_error(fmt::format("cannot take over: {}", refused->why));
    if (descriptors != nullptr)
        *descriptors = std::move(packet.descriptors);
    return std::move(*message);
}

void Predecessor::send(const takeover::Message& message)
{
    const std::string text = encode(message);
    const auto limit = Clock::now() + patience;
    for (;;) {
        const auto error = send_packet(socket_.get(), text);
        if (!error)
            return;
        if (error != std::errc::operation_would_block)
            throw std::runtime_error(fmt::format(
                "the program at the takeover socket {} has ended the takeover; its log says why",
                path_));
        wait(POLLOUT, limit);
    }
}

} // namespace tunnel
