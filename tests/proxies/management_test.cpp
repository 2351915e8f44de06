// The server of the management interface against clients that mean it no good.
#include <doctest/doctest.h>

#include <stdexcept>
#include <thread>

#include <fmt/format.h>

#include "common/management/server.hpp"
#include "tests/support/stream.hpp"
#include "tests/support/temporary_file.hpp"
#include "tests/unit/captured.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

constexpr std::string_view ping = "GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n";
constexpr std::size_t largest = 16 * 1024 * 1024; // more than the buffers of two sockets take

ManagementLimits short_limits()
{
    ManagementLimits limits;
    limits.connections = 8;
    limits.head = 300ms;
    limits.body = 300ms;
    limits.write = 300ms;
    limits.idle = 300ms;
    limits.farewell = 300ms;
    return limits;
}

ManagementLimits long_limits()
{
    ManagementLimits limits;
    limits.head = limits.body = limits.write = limits.idle = 20s;
    return limits;
}

ManagementOptions options_at_loopback()
{
    ManagementOptions options;
    options.address = parse_management_address("127.0.0.1:0");
    return options;
}

// A server with a thread of its own.
class Served {
public:
    explicit Served(const ManagementLimits& limits,
                    const ManagementOptions& options = options_at_loopback())
        : server_(io_, options, limits, given_)
    {
        Router router;
        router.add(Method::get, "/ping", [](const Request&) { return Response{200, "pong"}; });
        router.add(Method::get, "/much", [](const Request&) {
            return Response{200, std::string(largest, 'x')};
        });
        router.add(Method::get, "/failing",
                   [](const Request&) -> Response { throw std::runtime_error("a reason"); });
        router.add(Method::put, "/echo", [](const Request& request) {
            return Response{200, request.body};
        });
        server_.start(std::move(router));
        thread_ = std::thread([this] { io_.run(); }); // until it has run dry
    }

    Served(const Served&) = delete;
    Served& operator=(const Served&) = delete;

    ~Served()
    {
        asio::post(io_, [this] { server_.stop(); });
        thread_.join();
        CHECK(server_.stopped());
    }

    Stream connect() const { return Stream::connect(*server_.listener().endpoint()); }

    // Everything that is answered to these bytes until the connection is closed.
    std::string answer_to(std::string_view bytes) const
    {
        Stream client = connect();
        client.send(bytes);
        return client.receive_all();
    }

private:
    asio::io_context io_{1};
    GivenSockets given_; // none
    ManagementServer server_;
    std::thread thread_;
};

// Of the first answer in the text; 0: there is none.
int status_of(std::string_view text)
{
    constexpr std::string_view begin = "HTTP/1.1 ";
    return text.starts_with(begin) ? std::stoi(std::string(text.substr(begin.size(), 3))) : 0;
}

// The next answer, whose body is known.
void receive_answer(Stream& client, std::string_view body)
{
    std::string text;
    while (!text.ends_with(fmt::format("\r\n\r\n{}", body)))
        text += client.receive(1);
    CHECK(status_of(text) == 200);
}

std::string put(std::string_view headers)
{
    return fmt::format("PUT /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                       "application/json\r\n{}\r\n",
                       headers);
}

} // namespace

TEST_CASE("the management interface answers request after request on one connection")
{
    const Served served(long_limits());
    Stream client = served.connect();
    for (int i = 0; i < 3; ++i) {
        client.send(ping);
        receive_answer(client, "pong");
    }
    client.send(std::string(ping) + std::string(ping)); // both at once
    receive_answer(client, "pong");
    receive_answer(client, "pong");
    client.send(put("Content-Length: 2\r\n") + "[]");
    receive_answer(client, "[]");
    client.send(put("Content-Length: 2\r\nExpect: 100-continue\r\n"));
    CHECK(client.receive(go_on.size()) == go_on);
    client.send("{}");
    receive_answer(client, "{}");
    client.send("GET /ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    CHECK(client.receive_all().ends_with("Connection: close\r\n\r\npong"));
}

TEST_CASE("each wrong request to the management interface has its status, and ends the connection")
{
    const Served served(short_limits());
    CHECK(status_of(served.answer_to("nonsense\r\n\r\n")) == 400);
    CHECK(status_of(served.answer_to(put("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"))) ==
          400);
    CHECK(status_of(served.answer_to("GET /ping HTTP/1.1\r\nHost: evil.example\r\n\r\n")) == 421);
    CHECK(status_of(served.answer_to("GET /no HTTP/1.1\r\nHost: localhost\r\n\r\n")) == 404);
    const std::string other = served.answer_to("POST /ping HTTP/1.1\r\nHost: localhost\r\n\r\n");
    CHECK(status_of(other) == 405);
    CHECK(other.find("\r\nAllow: GET, HEAD\r\n") != std::string::npos);
    CHECK(status_of(served.answer_to("BREW /ping HTTP/1.1\r\nHost: localhost\r\n\r\n")) == 501);
    CHECK(status_of(served.answer_to(
              "PUT /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n")) == 415);
    std::string head = "GET /ping HTTP/1.1\r\nHost: localhost\r\n";
    for (int i = 0; i < 10'000; ++i)
        head += fmt::format("X-{}: y\r\n", i);
    CHECK(status_of(served.answer_to(head + "\r\n")) == 431);
}

TEST_CASE("HTTP/1.0 needs no host, and is told if its connection is kept")
{
    const Served served(long_limits());
    const std::string once = served.answer_to("GET /ping HTTP/1.0\r\n\r\n");
    CHECK(status_of(once) == 200);
    CHECK(once.ends_with("Connection: close\r\n\r\npong"));
    Stream client = served.connect();
    for (int i = 0; i < 3; ++i) {
        client.send("GET /ping HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n");
        receive_answer(client, "pong");
    }
    client.send("HEAD /ping HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n");
    std::string head;
    while (!head.ends_with("\r\n\r\n"))
        head += client.receive(1);
    CHECK(head.find("\r\nConnection: keep-alive\r\n") != std::string::npos);
    CHECK(head.find("\r\nContent-Length: 4\r\n") != std::string::npos);
    client.send("\r\nOPTIONS * HTTP/1.0\r\n\r\n");
    CHECK(status_of(client.receive_all()) == 204);
}

TEST_CASE("the host of a whole URL must be this machine, and not that of the header")
{
    const Served served(short_limits());
    CHECK(
        status_of(served.answer_to("GET http://localhost:1/ping HTTP/1.1\r\nHost: evil.example\r\n"
                                   "Connection: close\r\n\r\n")) == 200);
    CHECK(status_of(served.answer_to(
              "GET http://evil.example/ping HTTP/1.1\r\nHost: localhost\r\n\r\n")) == 421);
}

TEST_CASE("whoever is refused for want of a token or a right host gets one answer to a connection")
{
    const TemporaryFile token("0123456789abcdef");
    ManagementOptions options = options_at_loopback();
    options.token_file = token.path();
    const Served served(long_limits(), options);
    std::string many;
    for (int i = 0; i < 1000; ++i)
        many += ping;
    std::string foreign;
    for (int i = 0; i < 1000; ++i)
        foreign += "GET /ping HTTP/1.1\r\nHost: evil.example\r\n\r\n";
    for (const auto& [bytes, status] : {std::pair(many, 401), std::pair(foreign, 421)}) {
        const std::string answers = served.answer_to(bytes);
        CHECK(status_of(answers) == status);
        CHECK(answers.find("HTTP/1.1", 1) == std::string::npos);
    }
}

TEST_CASE("clients that ask without a pause are answered in turns, and each gets on")
{
    const Served served(long_limits());
    std::string many;
    for (int i = 0; i < 100; ++i)
        many += ping;
    std::vector<Stream> clients;
    for (int i = 0; i < 8; ++i)
        clients.push_back(served.connect());
    for (Stream& client : clients)
        client.send(many);
    for (int i = 0; i < 100; ++i) {
        for (Stream& client : clients)
            receive_answer(client, "pong");
    }
}

TEST_CASE("a handler that fails is answered for, and the log says why")
{
    const Served served(short_limits());
    std::string answer;
    const std::string logged = log_of(
        [&] { answer = served.answer_to("GET /failing HTTP/1.1\r\nHost: localhost\r\n\r\n"); });
    CHECK(status_of(answer) == 500);
    CHECK(answer.find("a reason") == std::string::npos);
    CHECK(logged.find("a reason") != std::string::npos);
}

TEST_CASE("a client without the token is told so before it has sent its body")
{
    const TemporaryFile token("0123456789abcdef");
    ManagementOptions options = options_at_loopback();
    options.token_file = token.path();
    const Served served(short_limits(), options);
    CHECK(status_of(served.answer_to(put("Content-Length: 1\r\nExpect: 100-continue\r\n"))) == 401);
    CHECK(status_of(served.answer_to("GET /no HTTP/1.1\r\nHost: localhost\r\n\r\n")) == 401);
    CHECK(status_of(served.answer_to("GET /ping HTTP/1.1\r\nHost: localhost\r\nConnection: "
                                     "close\r\nAuthorization: Bearer 0123456789abcdef\r\n\r\n")) ==
          200);
}

TEST_CASE("tokens of an address that others reach can be changed, and not taken away")
{
    const TemporaryFile token("0123456789abcdef");
    ManagementOptions options;
    options.address = parse_management_address("0.0.0.0:0");
    options.token_file = token.path();
    asio::io_context io;
    GivenSockets none;
    ManagementServer server(io, options, short_limits(), none);
    CHECK(server.listener().is_open_to_others());
    token.write("fedcba9876543210");
    server.change(server.read_trust(options));
    // As if the options had another address by now, which holds from the next start on.
    CHECK_THROWS_WITH_AS(server.read_trust(options_at_loopback()),
                         doctest::Contains("--management-token-file"), const std::runtime_error&);
}

TEST_CASE("whoever takes the management address out of the options opens it to nobody")
{
    const TemporaryFile token("0123456789abcdef");
    ManagementOptions options;
    options.address = parse_management_address("127.0.0.1:0");
    options.token_file = token.path();
    asio::io_context io;
    GivenSockets none;
    ManagementServer server(io, options, short_limits(), none);
    CHECK_FALSE(server.read_trust(ManagementOptions()));
    token.write("short");
    CHECK_THROWS_AS(server.read_trust(options), const std::runtime_error&);
}

TEST_CASE("a silent or slow client of the management interface is let go at its limit")
{
    const Served served(short_limits());
    Stream silent = served.connect();
    Stream halfway = served.connect();
    halfway.send("GET /ping HT");
    Stream without_body = served.connect();
    without_body.send(put("Content-Length: 5\r\n") + "1");
    Stream idle = served.connect();
    idle.send(ping);
    receive_answer(idle, "pong");
    Stream dripping = served.connect();
    CHECK(eventually([&] { // each byte well within the limit
        try {
            dripping.send("G");
        } catch (const std::system_error&) {
            return true;
        }
        return false;
    }));
    CHECK(silent.receive_all() == "");
    CHECK(status_of(halfway.receive_all()) == 408);
    CHECK(status_of(without_body.receive_all()) == 408);
    CHECK(idle.receive_all() == "");
}

TEST_CASE("a client that does not read its answer is let go at its limit")
{
    const Served served(short_limits());
    const std::size_t before = open_descriptors();
    Stream client = served.connect();
    client.send("GET /much HTTP/1.1\r\nHost: localhost\r\n\r\n");
    REQUIRE(client.readable_within(5s));
    CHECK(open_descriptors() == before + 2); // both ends
    CHECK(eventually([&] { return open_descriptors() == before + 1; }));
    CHECK(status_of(served.answer_to(
              "GET /ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")) == 200);
}

TEST_CASE("a body of a gigabyte is refused by its head, and one without an end at the limit")
{
    const Served served(long_limits());
    CHECK(status_of(served.answer_to(put("Content-Length: 1000000000\r\n"))) == 413);

    Stream endless = served.connect();
    endless.send(put("Transfer-Encoding: chunked\r\n"));
    const std::string chunk = fmt::format("{:x}\r\n{}\r\n", 64 * 1024, std::string(64 * 1024, 'x'));
    std::size_t sent = 0;
    try {
        for (; sent < 1'000'000'000; sent += chunk.size())
            endless.send(chunk);
    } catch (const std::system_error&) { // as it should be
    }
    CHECK(sent < 100'000'000); // what sockets' buffers hold, beside 2 MiB
}

TEST_CASE("of a thousand clients a few are served, the others told so, and none stays")
{
    const ManagementLimits limits = short_limits();
    const std::size_t before = open_descriptors();
    {
        const Served served(limits);
        std::vector<Stream> clients;
        for (int i = 0; i < 1000; ++i)
            clients.push_back(served.connect());
        std::size_t turned_away = 0;
        for (Stream& client : clients)
            turned_away += status_of(client.receive_all()) == 503 ? 1 : 0;
        CHECK(turned_away >= 1000 - 8 * limits.connections);
        CHECK(turned_away <= 1000 - limits.connections);
        clients.clear();
        CHECK(eventually([&] {
            Stream client = served.connect();
            client.send("GET /ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
            return status_of(client.receive_all()) == 200;
        }));
    }
    CHECK(open_descriptors() == before);
}

TEST_CASE("the management interface can be stopped in the middle of everything")
{
    const Served served(long_limits());
    Stream silent = served.connect();
    Stream halfway = served.connect();
    halfway.send("GET /ping HT");
    Stream without_body = served.connect();
    without_body.send(put("Content-Length: 5\r\n") + "1");
    Stream not_reading = served.connect();
    not_reading.send("GET /much HTTP/1.1\r\nHost: localhost\r\n\r\n");
    Stream served_one = served.connect();
    served_one.send(ping);
    receive_answer(served_one, "pong"); // so that the others have been heard
}
