// An encrypted connection in the shape of a socket.
#include <doctest/doctest.h>

#include <cerrno>
#include <future>
#include <random>

#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "common/transport/record_guard.hpp"
#include "common/transport/record_socket.hpp"
#include "common/transport/socket.hpp"
#include "tests/support/middle.hpp"
#include "tests/support/secured.hpp"
#include "tests/support/stream.hpp"
#include "tests/support/tls_stream.hpp"
#include "tests/unit/io.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

std::span<const std::byte> bytes_of(std::string_view text)
{
    return std::as_bytes(std::span(text));
}

// Sends as much as the socket takes. How much.
std::size_t send_some(Channel& to, std::string_view text)
{
    const ssize_t size = to.send(bytes_of(text));
    REQUIRE((size >= 0 || errno == EAGAIN));
    return size < 0 ? 0 : static_cast<std::size_t>(size);
}

void send_all(Channel& to, std::string_view text)
{
    REQUIRE(send_some(to, text) == text.size());
}

// One call with room for `room` bytes.
ssize_t receive(Channel& from, std::string& text, std::size_t room)
{
    std::string bytes(room, '\0');
    const ssize_t size = from.receive(std::as_writable_bytes(std::span(bytes)));
    if (size > 0)
        text.append(bytes, 0, static_cast<std::size_t>(size));
    return size;
}

// Up to the last byte that is there; what the last call said of it, errno if that was -1.
int receive_what_is_there(Channel& from, std::string& text)
{
    for (;;) {
        const ssize_t size = receive(from, text, 70'000);
        if (size <= 0)
            return size == 0 ? 0 : errno;
    }
}

int waiting_in(const Channel& of)
{
    int size = 0;
    ::ioctl(of.descriptor(), FIONREAD, &size);
    return size;
}

int unsent_by(const Channel& of)
{
    int size = 0;
    ::ioctl(of.descriptor(), SIOCOUTQ, &size);
    return size;
}

// What is sent while it lives goes in few segments, as a flood comes.
class Corked {
public:
    explicit Corked(const Channel& sender) : descriptor_(sender.descriptor()) { set(1); }

    Corked(const Corked&) = delete;
    Corked& operator=(const Corked&) = delete;

    ~Corked() { set(0); }

private:
    void set(int on) const { ::setsockopt(descriptor_, IPPROTO_TCP, TCP_CORK, &on, sizeof on); }

    int descriptor_;
};

// One way of a connection: what goes in, and what has come out.
struct Way {
    Channel* from;
    Channel* to;
    std::string text;
    std::size_t sent = 0;
    std::string came{};

    bool over() const { return came.size() == text.size(); }

    void send_piece(std::mt19937& random, std::size_t largest)
    {
        const std::size_t size =
            std::min(std::max(1 + random() % largest, begun), text.size() - sent);
        const std::size_t taken = send_some(*from, std::string_view(text).substr(sent, size));
        sent += taken;
        begun = size - taken; // may be half sent, so the next call must have it
    }

    std::size_t begun = 0;
};

} // namespace

TEST_CASE(
    "megabytes pass both ways at once, whatever the sizes, through buffers that are too small")
{
    std::mt19937 random(31);
    for (int round = 0; round < 12; ++round) {
        CAPTURE(round);
        const bool small = round % 3 != 2;
        Secured pair = secured(small ? std::optional(2048 << round % 4) : std::nullopt);
        const std::size_t largest =
            std::array<std::size_t, 4>{100, 5000, 17'000, 300'000}[round % 4];
        const std::size_t total = std::min<std::size_t>(3'000'000, largest * 400);
        const auto seed = static_cast<std::uint32_t>(round);
        std::array<Way, 2> ways{Way{&pair.dialled, &pair.accepted, random_text(total, seed)},
                                Way{&pair.accepted, &pair.dialled, random_text(total, seed + 100)}};
        const auto limit = Clock::now() + 20s;
        while (!(ways[0].over() && ways[1].over()) && Clock::now() < limit) {
            Way& way = ways[random() % 2];
            if (random() % 2 == 0)
                way.send_piece(random, largest);
            else if (receive(*way.to, way.came, 1 + random() % 120'000) < 0)
                REQUIRE(errno == EAGAIN);
        }
        for (const Way& way : ways)
            CHECK((way.came == way.text));
    }
}

TEST_CASE("a connection is drained only when its socket has nothing left")
{
    std::mt19937 random(32);
    for (int round = 0; round < 20; ++round) {
        Secured pair = secured();
        Way way{&pair.dialled, &pair.accepted, random_text(2'000'000, 5)};
        const std::size_t largest = std::array<std::size_t, 3>{2000, 40'000, 200'000}[round % 3];
        const auto limit = Clock::now() + 10s;
        while (!way.over()) {
            REQUIRE(Clock::now() < limit);
            if (random() % 3 == 0)
                way.send_piece(random, largest);
            const bool all_arrived = unsent_by(pair.dialled) == 0;
            const ssize_t size = receive(pair.accepted, way.came, 1 + random() % 100'000);
            REQUIRE((size > 0 || errno == EAGAIN));
            if (!pair.accepted.tls().drained() || !all_arrived)
                continue;
            REQUIRE(waiting_in(pair.accepted) == 0);
            std::string more;
            REQUIRE(receive(pair.accepted, more, 100) == -1);
            REQUIRE(errno == EAGAIN);
        }
        CHECK((way.came == way.text));
    }
}

TEST_CASE("who waits for edges, and reads on unless the connection is drained, misses nothing")
{
    std::mt19937 random(33);
    for (int round = 0; round < 20; ++round) {
        Secured pair = secured(round % 2 == 0 ? std::optional(4096) : std::nullopt);
        Way way{&pair.dialled, &pair.accepted, random_text(1'000'000, 6)};
        const Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
        epoll_event event{EPOLLIN | EPOLLET, {}};
        ::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, pair.accepted.descriptor(), &event);
        const std::size_t room = std::array<std::size_t, 4>{100, 16'000, 30'000, 65'536}[round % 4];
        const auto limit = Clock::now() + 10s;
        while (!way.over()) {
            REQUIRE(Clock::now() < limit);
            way.send_piece(random, round % 3 == 0 ? 3000 : 60'000);
            const int patience = way.sent == way.text.size() ? 2000 : 0;
            if (::epoll_wait(epoll.get(), &event, 1, patience) == 0) {
                REQUIRE(patience == 0);
                continue;
            }
            while (receive(pair.accepted, way.came, room) > 0 && !pair.accepted.tls().drained())
                ;
        }
        CHECK((way.came == way.text));
    }
}

TEST_CASE("what did not fit a small room is pending, though the socket has nothing more")
{
    Secured pair = secured();
    send_all(pair.dialled, "0123456789");
    std::string text;
    CHECK_FALSE(pair.accepted.tls().has_pending());
    CHECK(receive(pair.accepted, text, 4) == 4);
    CHECK(waiting_in(pair.accepted) == 0);
    CHECK(pair.accepted.tls().has_pending());
    CHECK_FALSE(pair.accepted.tls().drained());
    CHECK(receive(pair.accepted, text, 6) == 6);
    CHECK(text == "0123456789");
    CHECK_FALSE(pair.accepted.tls().has_pending());
    CHECK(receive_what_is_there(pair.accepted, text) == EAGAIN);
}

TEST_CASE("a room of another size each time changes nothing of what comes")
{
    Secured pair = secured();
    const std::string text = random_text(200'000, 7);
    send_all(pair.dialled, text);
    std::string came;
    for (std::size_t room = 1; came.size() < text.size(); room = room * 3 % 70'001 + 1) {
        const ssize_t size = receive(pair.accepted, came, room);
        REQUIRE((size > 0 || errno == EAGAIN));
    }
    CHECK((came == text));
}

TEST_CASE("the end is seen as the end, after all that was sent, and the other way goes on")
{
    Secured pair = secured();
    const std::string text = random_text(100'000, 8);
    send_all(pair.dialled, text);
    CHECK(pair.dialled.end() == 0);
    std::string came;
    CHECK(receive_what_is_there(pair.accepted, came) == 0);
    CHECK((came == text));
    CHECK(receive_what_is_there(pair.accepted, came) == 0); // and again
    send_all(pair.accepted, "answer");
    came.clear();
    CHECK(receive_what_is_there(pair.dialled, came) == EAGAIN);
    CHECK(came == "answer");
    CHECK(pair.accepted.end() == 0);
    CHECK(receive_what_is_there(pair.dialled, came) == 0);
}

TEST_CASE("the end of the TCP stream alone is no end, since anybody could have made it")
{
    Secured pair = secured();
    send_all(pair.dialled, "half of it");
    ::shutdown(pair.dialled.descriptor(), SHUT_WR);
    std::string came;
    CHECK(receive_what_is_there(pair.accepted, came) == ECONNRESET);
    CHECK(came == "half of it");
}

TEST_CASE("a TCP stream that ends within a record gives nothing of that record")
{
    Secured pair = secured();
    Secured other = secured();
    send_all(other.dialled, std::string(1000, 'x'));
    std::array<char, 5000> record;
    const ssize_t size = ::recv(other.accepted.descriptor(), record.data(), record.size(), 0);
    REQUIRE(size > 1000);
    for (const ssize_t cut : {ssize_t{1}, ssize_t{5}, ssize_t{500}, size - 1}) {
        Secured fresh = secured();
        ::send(fresh.dialled.descriptor(), record.data(), static_cast<std::size_t>(cut), 0);
        ::shutdown(fresh.dialled.descriptor(), SHUT_WR);
        std::string came;
        CHECK(receive_what_is_there(fresh.accepted, came) == ECONNRESET);
        CHECK(came.empty());
    }
}

TEST_CASE("a reset is a reset")
{
    Secured pair = secured();
    reset(pair.dialled);
    std::string came;
    CHECK(receive_what_is_there(pair.accepted, came) == ECONNRESET);
}

TEST_CASE("bytes that were changed, left out, doubled or brought in on the way never arrive")
{
    const auto tampered = [](const std::function<std::string(std::string)>& change) {
        Secured pair = secured();
        send_all(pair.dialled, "one");
        send_all(pair.dialled, "two");
        std::string bytes(1000, '\0');
        const ssize_t size =
            ::recv(pair.accepted.descriptor(), bytes.data(), bytes.size(), MSG_DONTWAIT);
        bytes.resize(static_cast<std::size_t>(size));
        const std::string changed = change(bytes);
        ::send(pair.dialled.descriptor(), changed.data(), changed.size(), 0);
        std::string came;
        const int error = receive_what_is_there(pair.accepted, came);
        return std::pair(error, came);
    };
    // Once it has given what came before, the library only says that the connection is broken.
    const auto broken_after = [&](std::string_view good,
                                  const std::function<std::string(std::string)>& change) {
        const auto [error, came] = tampered(change);
        CHECK((error == EBADMSG || error == ECONNRESET));
        CHECK(came == good);
    };
    const auto [error, came] = tampered([](std::string all) { return all; });
    CHECK(error == EAGAIN);
    CHECK(came == "onetwo");
    const std::size_t first = 5 + 3 + 1 + 16; // header, text, kind, tag
    broken_after("one", [](std::string all) {
        all.back() ^= 1;
        return all;
    });
    for (std::size_t place = 5; place < first; ++place) {
        CAPTURE(place);
        broken_after("", [place](std::string all) {
            all[place] ^= 1;
            return all;
        });
    }
    broken_after("", [](const std::string& all) { return all.substr(first); });
    broken_after("one", [](const std::string& all) { return all.substr(0, first) + all; });
    broken_after("",
                 [](const std::string& all) { return all.substr(first) + all.substr(0, first); });
    broken_after("onetwo", [](const std::string& all) { return all + "plain text"; });
    broken_after("", [](const std::string& all) { return "plain text" + all; });
    broken_after("", [](const std::string& all) { return "\x17\x03\x03\x7f\xff" + all; });
}

TEST_CASE("new keys in the middle of a stream lose nothing of it, either way")
{
    for (const std::optional<int> buffers : {std::optional<int>(), std::optional(4096)}) {
        Secured pair = secured(buffers);
        std::mt19937 random(34);
        std::array<Way, 2> ways{Way{&pair.dialled, &pair.accepted, random_text(1'500'000, 9)},
                                Way{&pair.accepted, &pair.dialled, random_text(1'500'000, 10)}};
        int updates = 0;
        const auto limit = Clock::now() + 10s;
        while (!(ways[0].over() && ways[1].over())) {
            REQUIRE(Clock::now() < limit);
            Way& way = ways[random() % 2];
            if (random() % 10 == 0) {
                way.from->tls().update_keys();
                ++updates;
            }
            way.send_piece(random, 30'000);
            if (receive(*way.to, way.came, 1 + random() % 100'000) < 0)
                REQUIRE(errno == EAGAIN);
        }
        CHECK(updates > 10);
        for (const Way& way : ways)
            CHECK((way.came == way.text));
    }
}

TEST_CASE("a closed channel gives and takes nothing")
{
    Channel closed;
    std::array<std::byte, 4> bytes{};
    errno = 0;
    CHECK(closed.receive(bytes) == -1);
    CHECK(errno == EBADF);
    errno = 0;
    CHECK(closed.send(bytes) == -1);
    CHECK(errno == EBADF);
    CHECK(closed.end() == -1);
}

TEST_CASE("nothing that was sent can be read on the way")
{
    Secured pair = secured();
    const std::string secret = "the visitor's password, several times over";
    send_all(pair.dialled, secret + secret);
    std::string bytes(1000, '\0');
    const ssize_t size = ::recv(pair.accepted.descriptor(), bytes.data(), bytes.size(), MSG_PEEK);
    bytes.resize(static_cast<std::size_t>(size));
    CHECK(bytes.size() > 2 * secret.size());
    CHECK(bytes.find(secret.substr(0, 8)) == std::string::npos);
    std::string came;
    receive_what_is_there(pair.accepted, came);
    CHECK(came == secret + secret);
}

namespace {

// Sends records that hold a key update each, with `data` behind every one of them, until the other
// end gives the connection up. How many records with key updates that took; 1000 is too many.
int key_updates_until_the_end(const std::string& data)
{
    asio::io_context io;
    SocketPair pair(io);
    const PresharedKey key = some_key();
    const TlsContext context = TlsContext::accepts({}, {});
    Handshake handshake(context, pair.there.native_handle(), knows(key));
    Stream raw(release(std::move(pair.here)));
    auto dialling = std::async(
        std::launch::async, [&] { return TlsStream(std::move(raw), TlsEnd::dials, {.key = key}); });
    REQUIRE_FALSE(failure_of(io, handshake.run(pair.there)).code());
    TlsStream peer = dialling.get();
    Channel accepted(release(std::move(pair.there)), handshake.take());
    for (int updates = 0; updates < 1000; ++updates) {
        std::string came;
        const int end = receive_what_is_there(accepted, came);
        if (end != EAGAIN) {
            CHECK(end == EPROTO);
            CHECK(receive_what_is_there(accepted, came) == EPROTO); // and so it stays
            return updates;
        }
        peer.update_keys();
        if (!data.empty())
            peer.send(data);
    }
    return 1000;
}

} // namespace

TEST_CASE("a peer that sends key updates and no data is given up, also with a byte between them")
{
    const int alone = key_updates_until_the_end({});
    CHECK(alone >= 32);
    CHECK(alone <= 40);
    const int with_a_byte = key_updates_until_the_end("x");
    CHECK(with_a_byte >= 32);
    CHECK(with_a_byte <= 40);
}

TEST_CASE("a flood of key updates is not read to its end by one call")
{
    Secured pair = secured();
    {
        const Corked corked(pair.dialled);
        for (int i = 0; i < 750; ++i) {
            pair.dialled.tls().update_keys();
            REQUIRE(SSL_do_handshake(pair.dialled.tls().get()) == 1); // sends it
        }
    }
    REQUIRE(eventually([&] { return waiting_in(pair.accepted) > 15'000; }));
    std::string came;
    CHECK(receive(pair.accepted, came, 100) == -1);
    CHECK(errno == EPROTO);
    CHECK(waiting_in(pair.accepted) > 10'000);
    CHECK(pair.accepted.tls().guard().records() < 50);
}

TEST_CASE("of small records only some are read ahead by one call, and large ones by the dozen")
{
    Secured pair = secured();
    {
        const Corked corked(pair.dialled);
        for (int i = 0; i < 1500; ++i)
            send_all(pair.dialled, "x");
    }
    REQUIRE(eventually([&] { return waiting_in(pair.accepted) > 30'000; }));
    std::string came;
    std::uint64_t most = 0;
    while (came.size() < 1500) {
        const std::uint64_t before = pair.accepted.tls().guard().records();
        REQUIRE(receive(pair.accepted, came, 128 * 1024) > 0);
        most = std::max(most, pair.accepted.tls().guard().records() - before);
    }
    CHECK(most > 100);
    CHECK(most <= 1000);
    CHECK(pair.accepted.tls().work() > 1500 * 2000);
    came.clear();
    const std::string large(16'384, 'x');
    std::size_t sent = 0;
    std::size_t largest = 0;
    while (sent < 2'000'000) {
        sent += send_some(pair.dialled, std::string_view(large).substr(sent % large.size()));
        const std::string::size_type before = came.size();
        if (sent % 500'000 < large.size())
            receive(pair.accepted, came, 128 * 1024);
        largest = std::max(largest, came.size() - before);
    }
    CHECK(largest > 80'000);
}
