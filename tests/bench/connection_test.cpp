#include <doctest/doctest.h>

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <sys/socket.h>

#include "tests/bench/connection.hpp"
#include "tests/bench/hello.hpp"
#include "tests/support/certificates.hpp"

using namespace bench;

namespace {

struct Ends {
    Fd one;
    Fd other;
};

Ends joined_sockets()
{
    prepare_process(); // no SIGPIPE
    std::array<int, 2> sockets{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sockets.data()) == 0);
    return {Fd(sockets[0]), Fd(sockets[1])};
}

std::string contents(const std::string& path)
{
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

TlsContext server_context()
{
    const tunnel::test::Certificate certificate({.common_name = host_name});
    tunnel::test::TemporaryFile both;
    std::ofstream(both.path()) << contents(certificate.files().certificate)
                               << contents(certificate.files().key);
    return server_tls(both.path());
}

std::string read_some(Connection& connection)
{
    std::array<char, 4096> buffer{};
    const ssize_t received = connection.receive(buffer);
    return received > 0 ? std::string(buffer.data(), static_cast<std::size_t>(received)) : "";
}

// Sends `text` from one end to the other, whatever has to go to and fro before that.
std::string carry(Connection& from, Connection& to, const std::string& text)
{
    bool sent = false;
    std::string received;
    for (int turn = 0; turn < 10 && received.size() < text.size(); ++turn) {
        sent = sent || from.send(text) == static_cast<ssize_t>(text.size());
        received += read_some(to);
    }
    return received;
}

} // namespace

TEST_CASE("TLS goes both ways though the server has read the beginning of the hello itself")
{
    const TlsContext client_context = client_tls();
    const TlsContext context = server_context();
    Ends ends = joined_sockets();
    Connection client(std::move(ends.one));
    Connection server(std::move(ends.other));
    REQUIRE(client.become_client(*client_context));
    CHECK(client.send(std::string("early")) == -1);
    CHECK(errno == EAGAIN);
    std::array<char, 60> beginning{};
    REQUIRE(server.receive(beginning) == 60);
    REQUIRE(server.become_server(*context, {beginning.data(), beginning.size()}));
    CHECK(server.is_tls());
    CHECK(carry(client, server, "early") == "early");
    CHECK(carry(server, client, "answer") == "answer");
    server = Connection();
    std::array<char, 1> more{};
    CHECK(client.receive(more) == 0);
}

TEST_CASE("what is no TLS is an error of TLS")
{
    const TlsContext context = client_tls();
    Ends ends = joined_sockets();
    Connection client(std::move(ends.one));
    Connection plain(std::move(ends.other));
    REQUIRE(client.become_client(*context));
    REQUIRE(plain.send_all(std::string("HTTP/1.1 400 Bad Request\r\n\r\n")));
    std::array<char, 1> byte{};
    CHECK(client.receive(byte) == -1);
    CHECK(errno == EPROTO);
}

TEST_CASE("a server does not begin TLS with what is none")
{
    const TlsContext context = server_context();
    Ends ends = joined_sockets();
    Connection server(std::move(ends.other));
    CHECK_FALSE(server.become_server(*context, "GET / HTTP/1.1\r\n\r\n"));
}

TEST_CASE("a byte is taken from TLS only if it is there")
{
    const TlsContext client_context = client_tls();
    const TlsContext context = server_context();
    Ends ends = joined_sockets();
    Connection client(std::move(ends.one));
    Connection server(std::move(ends.other));
    REQUIRE(client.become_client(*client_context));
    REQUIRE(server.become_server(*context, ""));
    REQUIRE(carry(client, server, "x") == "x");
    CHECK_FALSE(server.take_byte_if_ready());
    REQUIRE(client.send(std::string("s")) == 1);
    CHECK(server.take_byte_if_ready());
    CHECK_FALSE(server.take_byte_if_ready());
}

TEST_CASE("OpenSSL takes the prepared ClientHello for a real one, and finds the name in it")
{
    const TlsContext context = server_context();
    std::string name;
    SSL_CTX_set_tlsext_servername_arg(context.get(), &name);
    SSL_CTX_set_tlsext_servername_callback(
        context.get(), +[](SSL* tls, int*, void* found) {
            const char* asked = SSL_get_servername(tls, TLSEXT_NAMETYPE_host_name);
            *static_cast<std::string*>(found) = asked ? asked : "";
            return SSL_TLSEXT_ERR_OK;
        });
    Ends ends = joined_sockets();
    Connection client(std::move(ends.one));
    Connection server(std::move(ends.other));
    REQUIRE(server.become_server(*context, prepared_hello()));
    CHECK(name == host_name);
    const std::string answer = read_some(client);
    REQUIRE_FALSE(answer.empty());
    CHECK(answer[0] == prepared_hello()[0]); // a handshake record, not an alert
}
