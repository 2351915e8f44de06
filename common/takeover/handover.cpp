#include "common/takeover/handover.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/error.hpp"
#include "common/base/log.hpp"

namespace tunnel {

namespace {

constexpr int backlog = 8;

// How long a successor may take for its greeting, until it is ready, and until it serves.
constexpr auto for_greeting = std::chrono::seconds(5);
constexpr auto until_ready = std::chrono::seconds(120);
constexpr auto until_serving = std::chrono::seconds(20);

// Up to so many bytes of the text that end with a whole character of UTF-8.
std::size_t whole_characters(std::string_view text, std::size_t most)
{
    std::size_t size = std::min(text.size(), most);
    constexpr unsigned kind_of_byte = 0xc0;
    constexpr unsigned continuation = 0x80;
    while (size < text.size() && size > 0 &&
           (static_cast<unsigned char>(text[size]) & kind_of_byte) == continuation)
        --size;
    return size == 0 ? std::min(text.size(), most) : size;
}

struct UnixPath {
    sockaddr_un address{};

    const sockaddr* generic() const { return reinterpret_cast<const sockaddr*>(&address); }
};

UnixPath address_of(const std::string& path)
{
    UnixPath made;
    made.address.sun_family = AF_UNIX;
    if (path.size() >= sizeof made.address.sun_path)
        throw std::runtime_error(
            fmt::format("--takeover-socket {}: the path is longer than the {} bytes of a Unix "
                        "socket's",
                        path, sizeof made.address.sun_path - 1));
    std::memcpy(made.address.sun_path, path.data(), path.size());
    return made;
}

Fd packet_socket()
{
    Fd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!socket.is_open())
        fail(last_error(), "cannot open a socket for --takeover-socket");
    return socket;
}

// Only a socket that nobody listens at is.
bool is_left_behind(const std::string& path, const UnixPath& address)
{
    struct stat there {};

    if (::lstat(path.c_str(), &there) != 0 || !S_ISSOCK(there.st_mode))
        return false;
    const Fd probe = packet_socket();
    return ::connect(probe.get(), address.generic(), sizeof address.address) != 0 &&
           errno == ECONNREFUSED;
}

// nullopt: it is root's or this user's. Else whose.
std::optional<uid_t> stranger(const Fd& peer)
{
    ucred who{};
    socklen_t size = sizeof who;
    if (::getsockopt(peer.get(), SOL_SOCKET, SO_PEERCRED, &who, &size) != 0)
        return static_cast<uid_t>(-1);
    if (who.uid == 0 || who.uid == ::geteuid())
        return std::nullopt;
    return who.uid;
}

// Ends what waits for the peer when its time is up.
class TimeLimit {
public:
    TimeLimit(asio::posix::stream_descriptor& peer, Clock::duration patience)
        : target_(std::make_shared<asio::posix::stream_descriptor*>(&peer)),
          timer_(peer.get_executor(), patience)
    {
        timer_.async_wait([target = target_](std::error_code error) {
            // The timer may learn too late that it is not wanted any more.
            if (error || *target == nullptr)
                return;
            std::error_code ignored;
            std::exchange(*target, nullptr)->cancel(ignored);
        });
    }

    TimeLimit(const TimeLimit&) = delete;
    TimeLimit& operator=(const TimeLimit&) = delete;

    ~TimeLimit() { *target_ = nullptr; }

    bool passed() const { return *target_ == nullptr; }

private:
    std::shared_ptr<asio::posix::stream_descriptor*> target_; // null: none any more
    Timer timer_;
};

} // namespace

Handover::Handover(asio::io_context& io, const std::string& path, std::string program,
                   GivenSockets& given)
    : path_(std::filesystem::absolute(path).lexically_normal()),
      self_{takeover::lowest_version, takeover::highest_version, std::move(program),
            TUNNEL_VERSION},
      listening_(io),
      tasks_(io.get_executor())
{
    listen(given);
    listening_.assign(bound_.release());

    struct stat made {};

    if (::lstat(path_.c_str(), &made) != 0)
        fail(last_error(), fmt::format("--takeover-socket {}: cannot listen there", path_));
    device_ = made.st_dev;
    inode_ = made.st_ino;
}

void Handover::listen(GivenSockets& given)
{
    if (auto socket = given.take(path_)) {
        bound_ = std::move(*socket);
        return;
    }
    const UnixPath address = address_of(path_);
    if (is_left_behind(path_, address))
        ::unlink(path_.c_str());
    bound_ = packet_socket();
    // Linux gives the file the mode of the socket, so that there is no moment in which it is open
    // to others.
    ::fchmod(bound_.get(), S_IRUSR | S_IWUSR);
    if (::bind(bound_.get(), address.generic(), sizeof address.address) != 0 ||
        ::listen(bound_.get(), backlog) != 0) {
        const std::error_code error = last_error();
        if (error == std::errc::address_in_use)
            throw std::runtime_error(fmt::format(
                "--takeover-socket {}: another program listens there; to take it over, put the "
                "word takeover before the first flag",
                path_));
        fail(error, fmt::format("--takeover-socket {}: cannot listen there", path_));
    }
}

void Handover::give_to(uid_t user, gid_t group) const
{
    if (::lchown(path_.c_str(), user, group) != 0)
        fail(last_error(), fmt::format("cannot give {} to the user of --user", path_));
}

void Handover::start(Hooks hooks)
{
    hooks_ = std::move(hooks);
    tasks_.spawn("waiting for a successor", serve());
}

void Handover::leave()
{
    if (is_busy_ || !listening_.is_open()) // a successor may have it
        return;
    remove_file();
    const Fd closed(listening_.release()); // ends serve()
}

void Handover::stop()
{
    leave();
    tasks_.cancel();
}

// Unless another file has its place by now.
void Handover::remove_file()
{
    struct stat there {};

    if (::lstat(path_.c_str(), &there) == 0 && there.st_dev == device_ && there.st_ino == inode_)
        ::unlink(path_.c_str());
}

awaitable<void> Handover::serve()
{
    for (;;) {
        std::error_code ended;
        co_await listening_.async_wait(Peer::wait_read, redirect_error(use_awaitable, ended));
        if (!listening_.is_open())
            co_return;
        if (ended)
            throw std::system_error(ended);
        Fd accepted(
            ::accept4(listening_.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (!accepted.is_open()) { // no descriptors, perhaps
            co_await sleep_for(std::chrono::milliseconds(100));
            continue;
        }
        if (const auto whose = stranger(accepted)) {
            strangers_.count(fmt::format("uid {}", *whose),
                             "only root and the user of this program may", Code::not_trusted,
                             Clock::now());
            co_await sleep_for(std::chrono::milliseconds(10)); // others have a turn
            continue;
        }
        Peer peer(listening_.get_executor(), accepted.release());
        is_busy_ = true;
        const bool is_done = co_await hand_over(peer);
        is_busy_ = false;
        if (!is_done && !hooks_.objection().empty()) // the program is about to end
            leave();
        if (is_done) {
            const Fd closed(listening_.release()); // the file is the successor's
            co_return;
        }
    }
}

awaitable<bool> Handover::hand_over(Peer& peer)
{
    bool has_let_go = false;
    std::string why;
    try {
        const takeover::Message greeting = co_await next(peer, for_greeting);
        const auto* const hello = std::get_if<takeover::Hello>(&greeting);
        why = hello == nullptr ? "it said no hello" : takeover::objection(*hello, self_);
        if (why.empty())
            why = hooks_.objection();
        if (!why.empty()) {
            log::warn("a takeover was refused", {{"reason", why}});
            const takeover::Message refusal = takeover::Refused{why};
            co_await send(peer, refusal);
            co_return false;
        }
        log::info("a successor is starting", {{"version", hello->program_version}});
        co_await send_sockets(peer);
        const takeover::Message ready = co_await next(peer, until_ready);
        if (!std::holds_alternative<takeover::Ready>(ready))
            fail(make_error_code(std::errc::protocol_error), "it is not ready");
        has_let_go = true;
        const std::string state = co_await hooks_.let_go();
        co_await send_sockets(peer); // some may have been opened since
        co_await send_state(peer, state);
        const takeover::Message serving = co_await next(peer, until_serving);
        if (!std::holds_alternative<takeover::Serving>(serving))
            fail(make_error_code(std::errc::protocol_error), "it does not serve");
        hooks_.leave();
        send_packet(peer.native_handle(), encode(takeover::Left()));
        co_return true;
    } catch (const std::system_error& error) {
        why = error.code() == asio::error::eof ? "it has ended" : error.what();
    } catch (const std::exception& error) {
        why = error.what();
    }
    if ((co_await asio::this_coro::cancellation_state).cancelled() !=
        asio::cancellation_type::none) // this program stops
        throw std::system_error(asio::error::operation_aborted);
    log::warn("the successor has not taken over, so this program goes on", {{"reason", why}});
    if (has_let_go) {
        send_packet(peer.native_handle(), encode(takeover::Refused{why}));
        hooks_.take_back();
    }
    co_return false;
}

awaitable<takeover::Message> Handover::next(Peer& peer, Clock::duration patience)
{
    const TimeLimit limit(peer, patience);
    for (;;) {
        Packet packet;
        const std::error_code error = receive_packet(peer.native_handle(), packet);
        if (!error) {
            auto message = takeover::decode(packet.text);
            if (!message)
                fail(make_error_code(std::errc::protocol_error), "it says what has no meaning");
            co_return std::move(*message);
        }
        if (error != std::errc::operation_would_block)
            throw std::system_error(error);
        if (limit.passed())
            fail(make_error_code(std::errc::timed_out), "it was too slow");
        std::error_code waited;
        co_await peer.async_wait(Peer::wait_read, redirect_error(use_awaitable, waited));
        if (waited && !limit.passed())
            throw std::system_error(waited);
    }
}

awaitable<void> Handover::send(Peer& peer, const takeover::Message& message)
{
    const std::vector<int> none;
    co_await send(peer, message, none);
}

awaitable<void> Handover::send(Peer& peer, const takeover::Message& message,
                               const std::vector<int>& descriptors)
{
    const std::string text = encode(message);
    const TimeLimit limit(peer, for_greeting);
    for (;;) {
        const std::error_code error = send_packet(peer.native_handle(), text, descriptors);
        if (!error)
            co_return;
        if (error != std::errc::operation_would_block)
            throw std::system_error(error);
        std::error_code waited;
        co_await peer.async_wait(Peer::wait_write, redirect_error(use_awaitable, waited));
        if (limit.passed())
            fail(make_error_code(std::errc::timed_out), "it was too slow");
        if (waited)
            throw std::system_error(waited);
    }
}

awaitable<void> Handover::send_sockets(Peer& peer)
{
    std::vector<Shared> all = hooks_.sockets();
    all.push_back({listening_.native_handle(), "takeover"});
    for (std::size_t sent = 0; sent < all.size();) {
        takeover::Sockets part;
        std::vector<int> descriptors;
        while (sent < all.size() && descriptors.size() < most_descriptors_in_packet) {
            descriptors.push_back(all[sent].descriptor);
            part.uses.push_back(std::move(all[sent].use));
            ++sent;
        }
        part.is_last = sent == all.size();
        const takeover::Message message = std::move(part);
        co_await send(peer, message, descriptors);
    }
}

awaitable<void> Handover::send_state(Peer& peer, std::string_view text)
{
    // Quoted as JSON a byte may become six.
    constexpr std::size_t largest_part = largest_packet / 8;
    do {
        takeover::State part;
        part.text = text.substr(0, whole_characters(text, largest_part));
        text.remove_prefix(part.text.size());
        part.is_last = text.empty();
        const takeover::Message message = part;
        co_await send(peer, message);
    } while (!text.empty());
}

} // namespace tunnel
