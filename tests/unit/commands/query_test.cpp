// Asking a management interface that is played by hand.
#include <functional>
#include <optional>
#include <thread>
#include <vector>

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/fd.hpp"
#include "common/commands/query.hpp"
#include "common/commands/running_program.hpp"
#include "common/http/target.hpp"
#include "tests/support/temporary_file.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

// Long enough for a machine that is busy, and short where it is to be waited for.
constexpr QueryLimits patient{10s, 10s, 10s, 1024};
constexpr QueryLimits hasty{100ms, 100ms, 100ms, 1024};

std::string response(std::string_view status, std::string_view body, std::string_view headers = {})
{
    return fmt::format("HTTP/1.1 {}\r\nContent-Length: {}\r\n{}\r\n{}", status, body.size(),
                       headers, body);
}

// Takes one connection after the other, reads the head of its request, and lets `serve` answer;
// until it is destroyed.
class Server {
public:
    using Serve = std::function<void(int socket, const std::string& request)>;

    explicit Server(Serve serve) : listening_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0))
    {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        auto* const generic = reinterpret_cast<sockaddr*>(&address);
        REQUIRE(::bind(listening_.get(), generic, size) == 0);
        REQUIRE(::listen(listening_.get(), 8) == 0);
        REQUIRE(::getsockname(listening_.get(), generic, &size) == 0);
        address_.address = {"127.0.0.1", ntohs(address.sin_port)};
        thread_ = std::thread([this, serve = std::move(serve)] { run(serve); });
    }

    explicit Server(const std::string& answer)
        : Server([answer](int socket, const std::string&) { say(socket, answer); })
    {
    }

    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    ~Server()
    {
        ::shutdown(listening_.get(), SHUT_RDWR);
        thread_.join();
    }

    static bool say(int socket, std::string_view text)
    {
        return ::send(socket, text.data(), text.size(), MSG_NOSIGNAL) ==
               static_cast<ssize_t>(text.size());
    }

    const ManagementAddress& address() const { return address_; }

    std::string last_request() const { return request_; } // once it is answered

private:
    void run(const Serve& serve)
    {
        for (;;) {
            const Fd socket(::accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC));
            if (!socket.is_open())
                return;
            request_.clear();
            char c = 0;
            while (!request_.ends_with("\r\n\r\n") && ::recv(socket.get(), &c, 1, 0) == 1)
                request_ += c;
            serve(socket.get(), request_);
        }
    }

    Fd listening_;
    ManagementAddress address_;
    std::string request_;
    std::thread thread_;
};

// Why there was no answer; empty: there was.
std::string failure(const ManagementAddress& where, const QueryLimits& limits, Query what = {"/"})
{
    try {
        query(where, what, limits);
        return {};
    } catch (const QueryError& error) {
        return error.what();
    }
}

bool contains(const std::string& text, std::string_view part)
{
    return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("a request names this machine and has the token, and the answer is taken whole")
{
    const Server server(response("200 OK", "hello", "tunnel-kept: state-file\r\n"));
    Answer answer = query(server.address(), {"/v1/x", false, "a-token"}, patient);
    CHECK(answer.status == 200);
    CHECK(answer.body == "hello");
    CHECK(answer.kept == "state-file");
    CHECK(server.last_request() == "GET /v1/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                                   "Authorization: Bearer a-token\r\n\r\n");
    answer = query(server.address(), {"/v1/x", true}, patient);
    CHECK(server.last_request() == "POST /v1/x HTTP/1.1\r\nHost: localhost\r\n"
                                   "Connection: close\r\nContent-Type: application/json\r\n"
                                   "Content-Length: 0\r\n\r\n");
}

TEST_CASE("an answer may come byte by byte, and a refusal is an answer")
{
    const Server server([](int socket, const std::string&) {
        for (const char c : response("404 Not Found", "404 Not Found: no\n"))
            Server::say(socket, std::string_view(&c, 1));
    });
    const Answer answer = query(server.address(), {"/"}, patient);
    CHECK(answer.status == 404);
    CHECK(answer.body == "404 Not Found: no\n");
}

TEST_CASE("an answer that comes too slowly is given up at the limit, however steadily it comes")
{
    const Server silent([&](int socket, const std::string&) {
        char c = 0;
        ::recv(socket, &c, 1, 0); // the end
    });
    CHECK(contains(failure(silent.address(), hasty), "did not answer within 100ms"));
    const Server endless([](int socket, const std::string&) {
        Server::say(socket, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n");
        while (Server::say(socket, "x"))
            std::this_thread::sleep_for(20ms);
    });
    CHECK(contains(failure(endless.address(), hasty), "did not answer within 100ms"));
}

TEST_CASE("a body that is too long, without a length, in chunks or cut short is no answer")
{
    const auto failure_of = [](const std::string& answer) {
        const Server server(answer);
        return failure(server.address(), patient);
    };
    CHECK(failure_of(response("200 OK", std::string(1024, 'x'))) == "");
    CHECK(contains(failure_of(response("200 OK", std::string(1025, 'x'))), "it is too long"));
    CHECK(contains(failure_of("HTTP/1.1 200 OK\r\n\r\nbody"), "does not say how long it is"));
    CHECK(contains(failure_of("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n"),
                   "does not say how long it is"));
    CHECK(contains(failure_of("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"),
                   "ended the connection before its answer was whole"));
    CHECK(contains(failure_of(""), "ended the connection before its answer was whole"));
    CHECK(contains(failure_of("SSH-2.0-OpenSSH_9.2\r\n"), "it is no HTTP/1.1"));
    CHECK(contains(failure_of("HTTP/1.1 200 OK\r\nX: " + std::string(100'000, 'x')),
                   "it is no HTTP/1.1"));
    // Without an end at all.
    const Server endless([](int socket, const std::string&) {
        Server::say(socket, "HTTP/1.1 200 OK\r\n\r\n");
        while (Server::say(socket, std::string(4096, 'x')))
            ;
    });
    CHECK(contains(failure(endless.address(), patient), "does not say how long it is"));
}

TEST_CASE("where nobody listens it is said, with a way out")
{
    std::optional<Server> server(std::in_place, "");
    const ManagementAddress gone = server->address();
    server.reset();
    std::string why = failure(gone, patient);
    CHECK(contains(why, "nobody listens at 127.0.0.1:"));
    CHECK(contains(why, "Connection refused"));
    CHECK(contains(why, "is the program running"));
    why = failure({"/nowhere/at\nall", {}}, patient);
    CHECK(contains(why, "nobody listens at unix:/nowhere/at\\x0aall (No such file or directory)"));
    CHECK(contains(failure({{}, {"no.such.host.invalid", 1}}, patient),
                   "cannot find no.such.host.invalid:1"));
}

TEST_CASE("a program that listens at every address is asked at a loopback one")
{
    const Server server(response("200 OK", ""));
    const std::uint16_t port = server.address().address.port;
    CHECK(failure({{}, {"0.0.0.0", port}}, patient) == "");
    CHECK(failure({{}, {"", port}}, patient) == "");
    CHECK(failure({{}, {"localhost", port}}, patient) == "");
}

TEST_CASE("a running program's refusals are told with the way out, and without the token")
{
    const std::string token = "0123456789abcdef";
    const TemporaryFile file(token);
    const auto refused = [&](const std::string& answer, bool with_token) {
        const Server server(answer);
        ManagementOptions options;
        options.address = server.address();
        if (with_token)
            options.read_token_file = file.path();
        try {
            const RunningProgram running("remote-proxy", options);
            running.change("/v1/services/web/drain");
            return std::string();
        } catch (const QueryError& error) {
            return std::string(error.what());
        }
    };
    std::string why = refused(response("401 Unauthorized", "401 Unauthorized: x\n"), false);
    CHECK(contains(why, "wants a token: give --management-token-file"));
    why = refused(response("401 Unauthorized", "401 Unauthorized: x\n"), true);
    CHECK(contains(why, "does not know the token in " + file.path()));
    CHECK_FALSE(contains(why, token));
    why = refused(response("403 Forbidden", "403 Forbidden: x\n"), true);
    CHECK(contains(why, "read-only: give --management-token-file"));
    why = refused(response("404 Not Found", "404 Not Found: there is no \"web\"\n"), true);
    CHECK(contains(why, "404 Not Found: there is no"));
    CHECK(contains(why, "remote-proxy status lists the names"));
    why = refused(response("500 Oh", "a\x1b[2Jb\nsecond line"), true);
    CHECK(contains(why, "refuses: a\\x1b[2Jb"));
    CHECK_FALSE(contains(why, "second"));
    CHECK(contains(refused(response("500 Oh", ""), true), "refuses: status 500"));
    CHECK(contains(refused(response("200 OK", "no JSON"), true), "something else than JSON"));
}

TEST_CASE("a list is asked for page by page, and looking shows the token that is good for less")
{
    const TemporaryFile admin("0123456789abcdef");
    const TemporaryFile reader("fedcba9876543210");
    std::vector<std::string> seen;
    const Server server([&seen](int socket, const std::string& request) {
        seen.push_back(request);
        const bool first = request.find("after=") == std::string::npos;
        Server::say(socket, response("200 OK",
                                     first ? R"({"services":[1,2],"next":"web[1] &"})"
                                           : R"({"services":[3]})",
                                     "Tunnel-Kept: this-run\r\n"));
    });
    ManagementOptions options;
    options.address = server.address();
    options.token_file = admin.path();
    options.read_token_file = reader.path();
    const RunningProgram running("remote-proxy", options);
    CHECK(running.all("services", "&origin=a") == Json::array({1, 2, 3}));
    REQUIRE(seen.size() == 2);
    CHECK(seen[0].starts_with("GET /v1/services?limit=1000&origin=a HTTP"));
    CHECK(seen[1].starts_with("GET /v1/services?limit=1000&origin=a&after=web%5B1%5D%20%26 HTTP"));
    CHECK(contains(seen[1], "Bearer fedcba9876543210"));
    CHECK(running.change("/x").at("kept") == "this-run");
    CHECK(contains(seen.at(2), "Bearer 0123456789abcdef"));
}

TEST_CASE("an encoded segment is decoded to what it was")
{
    CHECK(encode_segment("web-1.a_b~") == "web-1.a_b~");
    CHECK(encode_segment("a/b?c&d=e#f%g h") == "a%2Fb%3Fc%26d%3De%23f%25g%20h");
    CHECK(decode_segment(encode_segment("127.0.0.1:80 \xc3\xa4+")) == "127.0.0.1:80 \xc3\xa4+");
}
