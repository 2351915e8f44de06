// Peers who make a handshake long: in bytes, in records, in keys that they offer.
#include <doctest/doctest.h>

#include <future>

#include <openssl/bio.h>
#include <openssl/ssl.h>

#include "common/base/deadline.hpp"
#include "common/base/error.hpp"
#include "tests/support/certificates.hpp"
#include "tests/support/secured.hpp"
#include "tests/support/tls_stream.hpp"
#include "tests/unit/io.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

std::string number(std::size_t value, int size)
{
    std::string bytes;
    while (size-- > 0)
        bytes += static_cast<char>(value >> (8 * size));
    return bytes;
}

std::string sized(const std::string& body, int size)
{
    return number(body.size(), size) + body;
}

// Cuts bytes of the handshake into records of `size` bytes.
std::string in_records(std::string_view bytes, std::size_t size)
{
    std::string records;
    for (; !bytes.empty(); bytes.remove_prefix(std::min(size, bytes.size())))
        records += "\x16\x03\x01" + sized(std::string(bytes.substr(0, size)), 2);
    return records;
}

std::string extension(int type, const std::string& body)
{
    return number(static_cast<std::size_t>(type), 2) + sized(body, 2);
}

// A ClientHello that OpenSSL reads to its end, with so many identities of pre-shared keys, and
// groups beside the one that is used. Nobody knows the key share's private part, so it comes to
// nothing.
std::string hello_with(std::size_t identities, std::size_t groups = 0)
{
    std::string group_names = number(29, 2);
    for (std::size_t i = 0; i < groups; ++i)
        group_names += number(0x4000 + i, 2);
    std::string names;
    std::string binders;
    for (std::size_t i = 0; i < identities; ++i) {
        names += sized("name" + std::to_string(i), 2) + number(0, 4);
        binders += sized(std::string(32, 'b'), 1);
    }
    const std::string extensions =
        extension(43, sized(number(0x0304, 2), 1)) + extension(10, sized(group_names, 2)) +
        extension(13, sized(number(0x0804, 2), 2)) +
        extension(51, sized(number(29, 2) + sized(std::string(32, '\x05'), 2), 2)) +
        extension(45, sized(number(1, 1), 1)) +
        extension(41, sized(names, 2) + sized(binders, 2)); // has to be the last
    const std::string body = number(0x0303, 2) + std::string(32, 'r') + sized("", 1) +
                             sized(number(0x1301, 2), 2) + sized(number(0, 1), 1) +
                             sized(extensions, 2);
    return number(1, 1) + sized(body, 3);
}

// How an accepting end of ours fails, which a stranger sends `bytes` and then nothing more; after
// two seconds it is given up (operation_aborted).
struct Accepting {
    explicit Accepting(const std::string& bytes, const CertificateFiles& own = {},
                       const std::string& client_authorities = {})
    {
        asio::io_context io;
        SocketPair pair(io);
        const TlsContext context = TlsContext::accepts(own, client_authorities);
        Handshake handshake(context, pair.there.native_handle(), [this](std::string_view) {
            ++asked;
            return std::optional<Key>();
        });
        std::error_code error; // it may close before all is sent
        pair.here.non_blocking(true);
        const std::size_t sent = pair.here.write_some(asio::buffer(bytes), error);
        REQUIRE(sent == bytes.size());
        const Deadline limit(pair.there, 2s);
        failure = failure_of(io, handshake.run(pair.there));
        left = pair.there.is_open() ? pair.there.available() : 0;
    }

    std::system_error failure{std::error_code()};
    std::size_t left = 0; // of the bytes, not read
    int asked = 0;        // for a key
};

// A client that does its part in memory, so that a test may cut what it sends.
class MemoryClient {
public:
    MemoryClient() : context_(SSL_CTX_new(TLS_client_method())), ssl_(SSL_new(context_.get()))
    {
        SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
        SSL_set_connect_state(ssl_.get());
    }

    bool advance() { return SSL_do_handshake(ssl_.get()) == 1; }

    std::string sent()
    {
        std::string bytes(100'000, '\0');
        const int size =
            BIO_read(SSL_get_wbio(ssl_.get()), bytes.data(), static_cast<int>(bytes.size()));
        bytes.resize(static_cast<std::size_t>(std::max(0, size)));
        return bytes;
    }

    void receive(const std::string& bytes)
    {
        BIO_write(SSL_get_rbio(ssl_.get()), bytes.data(), static_cast<int>(bytes.size()));
    }

private:
    struct Free {
        void operator()(SSL* ssl) const { SSL_free(ssl); }

        void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
    };

    std::unique_ptr<SSL_CTX, Free> context_;
    std::unique_ptr<SSL, Free> ssl_;
};

// Whether a client that cuts its ClientHello into so many records comes to an encrypted connection.
bool comes_through_in(std::size_t records)
{
    const Authority authority;
    const Certificate certificate = authority.here();
    asio::io_context io;
    tcp::acceptor acceptor(io, loopback());
    auto playing = std::async(std::launch::async, [&] {
        Stream stream = Stream::connect(acceptor.local_endpoint());
        MemoryClient client;
        client.advance();
        const std::string hello = client.sent().substr(5);
        stream.send(in_records(hello, (hello.size() + records - 1) / records));
        try {
            while (!client.advance())
                client.receive(stream.receive(1));
            stream.send(client.sent());
            return true;
        } catch (const std::exception&) { // the other end has closed
            return false;
        }
    });
    std::error_code failure;
    {
        tcp::socket socket = acceptor.accept();
        const TlsContext context = TlsContext::accepts(certificate.files(), {});
        Handshake handshake(context, socket.native_handle(),
                            [](std::string_view) { return std::optional<Key>(); });
        failure = failure_of(io, handshake.run(socket)).code();
    }
    return playing.get() && !failure;
}

} // namespace

TEST_CASE("a ClientHello in records of one byte is given up after 72 of them")
{
    const std::string bytes =
        in_records(number(1, 1) + number(16'000, 3) + std::string(16'000, 'x'), 1);
    const Accepting accepting(bytes);
    CHECK(accepting.failure.code() == Errc::handshake_failed);
    CHECK(bytes.size() - accepting.left <= 73 * 6);
}

TEST_CASE("a ClientHello that is announced as larger than 16 KiB is given up at once")
{
    for (const std::size_t size : {std::size_t{16'381}, std::size_t{130'816}}) {
        CAPTURE(size);
        const Accepting header(in_records(number(1, 1) + number(size, 3), 100));
        CHECK(header.failure.code() == Errc::handshake_failed);
        CHECK(std::string(header.failure.what()).find("16 KiB") != std::string::npos);
        const Accepting more(
            in_records(number(1, 1) + number(size, 3) + std::string(20'000, 'x'), 16'000));
        CHECK(more.failure.code() == Errc::handshake_failed);
        const Accepting one_by_one(in_records(number(1, 1) + number(size, 3), 1));
        CHECK(one_by_one.failure.code() == Errc::handshake_failed);
    }
    const Accepting largest(in_records(number(1, 1) + number(16'380, 3), 100));
    CHECK(largest.failure.code() == asio::error::operation_aborted); // the rest is waited for
}

TEST_CASE("whoever offers many keys is refused after a few of them")
{
    const Accepting few(in_records(hello_with(8), 16'000));
    CHECK(few.failure.code() == Errc::no_proof); // none is known here
    CHECK(few.asked == 8);
    for (const std::size_t many : {9, 300}) {
        const Accepting refused(in_records(hello_with(many), 16'000));
        CHECK(refused.failure.code() == Errc::handshake_failed);
        CHECK(refused.asked == 8);
    }
}

TEST_CASE("a ClientHello with more groups than there are is refused before they are looked through")
{
    CHECK(Accepting(in_records(hello_with(1, 99), 16'000)).failure.code() == Errc::no_proof);
    for (const std::size_t groups : {std::size_t{100}, std::size_t{5000}}) {
        const Accepting refused(in_records(hello_with(1, groups), 16'000));
        CHECK(refused.failure.code() == Errc::handshake_failed);
        CHECK(std::string(refused.failure.what()).find("groups") != std::string::npos);
        CHECK(refused.asked == 0);
    }
}

TEST_CASE("a ClientHello that is cut into some records is as good as a whole one")
{
    CHECK(comes_through_in(1));
    CHECK(comes_through_in(2));
    CHECK(comes_through_in(50));
    CHECK_FALSE(comes_through_in(200));
}

TEST_CASE("a server that sends records without end, before it has proved who it is, is given up")
{
    const auto dialling_into = [](const std::string& flood) {
        asio::io_context io;
        SocketPair pair(io);
        const TlsContext context = TlsContext::dials_with_key(true);
        Handshake handshake(context, pair.here.native_handle(), some_key());
        std::error_code error;
        pair.there.non_blocking(true);
        pair.there.write_some(asio::buffer(flood), error);
        const Deadline limit(pair.here, 2s);
        const auto failure = failure_of(io, handshake.run(pair.here));
        CHECK(pair.here.available() > 0); // not all of it was read
        return failure;
    };
    std::string dummies;
    for (int i = 0; i < 10'000; ++i)
        dummies += std::string("\x14\x03\x03\0\1\1", 6); // ChangeCipherSpec, which is skipped
    CHECK(dialling_into(dummies).code().category() == error_category());
    const std::string slow = number(2, 1) + number(10'000, 3) + std::string(10'000, 'x');
    CHECK(dialling_into(in_records(slow, 1)).code() == Errc::handshake_failed);
    const std::string large = number(2, 1) + number(100'000, 3) + std::string(100'000, 'x');
    CHECK(dialling_into(in_records(large, 16'000)).code() == Errc::handshake_failed);
}

TEST_CASE("the memory for a client's certificates is limited where they are asked for")
{
    const Authority authority;
    const Certificate certificate = authority.here();
    const TlsContext asks = TlsContext::accepts(certificate.files(), authority.authority.path());
    CHECK(SSL_CTX_get_max_cert_list(asks.get()) == 32 * 1024);
}
