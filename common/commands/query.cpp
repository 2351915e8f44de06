#include "common/commands/query.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <netdb.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "common/base/asio.hpp"
#include "common/base/fd.hpp"
#include "common/base/log.hpp"
#include "common/security/blocking_handshake.hpp"
#include "common/security/file.hpp"
#include "common/transport/tls.hpp"

namespace tunnel {

namespace {

// Where a connection may go to.
struct Destination {
    sockaddr_storage address{};
    socklen_t size = 0;
};

// How far the query came, for its error message.
enum class Step { connecting, asking };

[[noreturn]] void give_up(const std::string& where, Step step, int error, milliseconds limit)
{
    const std::string reason = std::system_category().message(error);
    switch (error) {
    case ENOENT:
    case ECONNREFUSED:
        throw QueryError(fmt::format("nobody listens at {} ({}): is the program running, and with "
                                     "this --management-addr?",
                                     where, reason));
    case EACCES:
    case EPERM:
        throw QueryError(fmt::format("{} is not for this user ({}): ask as the user who runs the "
                                     "program, or as root",
                                     where, reason));
    case EAGAIN:
    case EINPROGRESS:
    case ETIMEDOUT:
        if (step == Step::connecting)
            throw QueryError(fmt::format("{} did not take a connection within {}: is it the right "
                                         "address, and does the program still run?",
                                         where, to_string(limit)));
        throw QueryError(fmt::format("{} did not answer within {}: the program may be stopped or "
                                     "overloaded, see its log",
                                     where, to_string(limit)));
    default:
        throw QueryError(
            fmt::format("cannot ask {}: {}; see the log of the program", where, reason));
    }
}

std::vector<Destination> look_up(const std::string& host, std::uint16_t port,
                                 const std::string& where)
{
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV;
    addrinfo* found = nullptr;
    const int error = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
    if (error != 0)
        throw QueryError(fmt::format("cannot find {} ({}): is --management-addr right?", where,
                                     ::gai_strerror(error)));
    std::vector<Destination> targets;
    for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
        Destination& target = targets.emplace_back();
        std::memcpy(&target.address, each->ai_addr, each->ai_addrlen);
        target.size = each->ai_addrlen;
    }
    return targets;
}

// In the order in which they are tried.
std::vector<Destination> targets_of(const ManagementAddress& address)
{
    const std::string where = log::escape(to_string(address));
    if (!address.path.empty()) {
        Destination target;
        auto& of_unix = reinterpret_cast<sockaddr_un&>(target.address);
        of_unix.sun_family = AF_UNIX;
        std::memcpy(of_unix.sun_path, address.path.data(), address.path.size());
        target.size = sizeof of_unix;
        return {target};
    }
    const auto& [host, port] = address.address;
    // Both loopback addresses, also where no file knows the name.
    const bool is_here = host.empty() || ::strcasecmp(host.c_str(), "localhost") == 0;
    if (!is_here && host != "0.0.0.0" && host != "::")
        return look_up(host, port, where);
    // Who listens at all addresses of one kind may listen at those of the other, too.
    std::vector<Destination> all = look_up(host == "::" ? "::1" : "127.0.0.1", port, where);
    if (is_here)
        all.push_back(look_up("::1", port, where).front());
    return all;
}

class Connection {
public:
    Connection(const ManagementAddress& address, const QueryLimits& limits)
        : where_(log::escape(to_string(address))), is_tcp_(address.path.empty()), limits_(limits)
    {
        const auto end = Clock::now() + limits.connect;
        int error = 0;
        for (const Destination& target : targets_of(address)) {
            socket_ = Fd(::socket(target.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
            if (socket_.is_open() && wait_until(SO_SNDTIMEO, end) &&
                ::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&target.address),
                          target.size) == 0)
                return;
            error = errno;
        }
        give_up(where_, Step::connecting, error, limits_.connect);
    }

    // Whatever follows is encrypted.
    void secure(const TlsContext& context, const std::string& host)
    {
        try {
            tls_ = shake_hands(context, socket_.get(), host, Clock::now() + limits_.connect);
        } catch (const std::system_error& error) {
            give_up(where_, Step::asking, error.code().value(), limits_.connect);
        } catch (const std::runtime_error& error) {
            throw QueryError(fmt::format("{} {}", where_, error.what()));
        }
    }

    void write(std::string_view bytes)
    {
        const auto end = Clock::now() + limits_.write;
        while (!bytes.empty()) {
            const ssize_t size = send(bytes, end);
            // It may have answered, and not wanted to hear the rest.
            if (size < 0 && (errno == EPIPE || errno == ECONNRESET))
                return;
            if (size < 0 && errno != EINTR)
                give_up(where_, Step::asking, errno, limits_.write);
            bytes.remove_prefix(size < 0 ? 0 : static_cast<std::size_t>(size));
        }
    }

    Answer read()
    {
        const auto end = Clock::now() + limits_.answer;
        ResponseReader reader(limits_.longest_body);
        std::array<char, 16 * 1024> buffer;
        for (;;) {
            const ssize_t size = receive(buffer, end);
            if (size < 0 && errno == EINTR)
                continue;
            if (size < 0 && errno == EKEYREJECTED)
                throw QueryError(fmt::format("{} does not accept whoever asks: give a certificate "
                                             "that is known there by --cert and --key",
                                             where_));
            if (size < 0 && errno == ECONNRESET && !tls_ && is_tcp_)
                throw QueryError(fmt::format("{} resets the connection: if it answers over HTTPS, "
                                             "give --https or --ca, or else see the log of the "
                                             "program",
                                             where_));
            if (size < 0)
                give_up(where_, Step::asking, errno, limits_.answer);
            if (size == 0)
                throw QueryError(fmt::format("{} ended the connection before its answer was whole: "
                                             "did the program stop? See its log",
                                             where_));
            const auto progress =
                reader.put(std::string_view(buffer.data(), static_cast<std::size_t>(size)));
            if (progress == ResponseReader::Progress::wrong)
                throw QueryError(fmt::format(
                    "what listens at {} does not answer as a management "
                    "interface does ({}): is --management-addr right? If it is HTTPS, give "
                    "--https or --ca",
                    where_, reader.problem()));
            if (progress == ResponseReader::Progress::whole)
                return reader.answer();
        }
    }

private:
    ssize_t send(std::string_view bytes, Clock::time_point end)
    {
        if (!tls_)
            return wait_until(SO_SNDTIMEO, end)
                       ? ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL)
                       : -1;
        const auto sent = [&] { return tls_.send(std::as_bytes(std::span(bytes))); };
        return when_ready(sent, true, end);
    }

    ssize_t receive(std::span<char> room, Clock::time_point end)
    {
        if (!tls_)
            return wait_until(SO_RCVTIMEO, end) ? ::recv(socket_.get(), room.data(), room.size(), 0)
                                                : -1;
        const auto received = [&] { return tls_.receive(std::as_writable_bytes(room)); };
        return when_ready(received, false, end);
    }

    // What a call of TLS comes to once the socket has let it.
    template <class Call>
    ssize_t when_ready(const Call& call, bool writes, Clock::time_point end)
    {
        for (;;) {
            const ssize_t size = call();
            if (size >= 0 || errno != EAGAIN)
                return size;
            const bool to_write = writes || tls_.wants_to_send();
            if (!wait_until_ready(socket_.get(), to_write, end))
                return -1;
        }
    }

    // Whether there is time left, which the next call may take at most. Else errno says so.
    bool wait_until(int option, Clock::time_point end)
    {
        const auto left = std::chrono::duration_cast<microseconds>(end - Clock::now());
        if (left.count() <= 0) {
            errno = ETIMEDOUT;
            return false;
        }
        timeval limit{};
        limit.tv_sec = left.count() / 1'000'000;
        limit.tv_usec = static_cast<suseconds_t>(left.count() % 1'000'000);
        return ::setsockopt(socket_.get(), SOL_SOCKET, option, &limit, sizeof limit) == 0;
    }

    const std::string where_; // as it is said
    const bool is_tcp_;
    const QueryLimits limits_;
    Fd socket_;
    Tls tls_; // nothing, if it is not encrypted
};

PrivateText encode(const Query& query)
{
    std::string text = fmt::format("{} {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n",
                                   query.is_change ? "POST" : "GET", query.target);
    if (query.is_change)
        text += "Content-Type: application/json\r\nContent-Length: 0\r\n";
    if (!query.token.empty())
        text += fmt::format("Authorization: Bearer {}\r\n", query.token);
    text += "\r\n";
    return PrivateText(std::move(text));
}

} // namespace

Answer query(const ManagementAddress& where, const Query& query, const QueryLimits& limits)
{
    Connection connection(where, limits);
    if (query.tls != nullptr)
        connection.secure(*query.tls, query.host);
    connection.write(encode(query).view());
    return connection.read();
}

} // namespace tunnel
