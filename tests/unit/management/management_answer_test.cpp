// What the management interface answers, to whom.
#include <doctest/doctest.h>

#include "common/management/access.hpp"
#include "common/management/router.hpp"
#include "common/security/token.hpp"
#include "tests/support/temporary_file.hpp"

using namespace tunnel;
using namespace tunnel::test;

namespace {

constexpr std::string_view admin = "0123456789abcdef";
constexpr std::string_view reader = "fedcba9876543210";

Request request(Method method, std::vector<std::string> segments = {"a"})
{
    Request made;
    made.method = method;
    made.segments = std::move(segments);
    made.host = "localhost:9057";
    return made;
}

unsigned status_of(const std::optional<Response>& response)
{
    return response ? response->status : 200;
}

// Whoever may do it and does it right gets 200.
unsigned asked(const Access& access, const Request& what)
{
    const unsigned first = status_of(access.objection(what));
    return first != 200 ? first : status_of(access.objection_to_change(what));
}

std::string objection_to_token(std::string_view text)
{
    try {
        parse_token(text, "FILE");
        return {};
    } catch (const std::runtime_error& error) {
        return error.what();
    }
}

} // namespace

TEST_CASE("a segment in braces stands for any that is not empty")
{
    Router router;
    router.add(Method::get, "/a/{name}", [](const Request& asked) {
        return Response{200, asked.segments.at(1)};
    });
    router.add(Method::post, "/a/{name}/b", [](const Request&) { return Response{200, "b"}; });
    const auto answered = [&router](Method method, std::vector<std::string> segments) {
        const Request asked = request(method, std::move(segments));
        const auto found = router.find(asked);
        if (const auto* const refused = std::get_if<Response>(&found))
            return std::to_string(refused->status);
        return (*std::get<const Router::Handler*>(found))(asked).body;
    };
    CHECK(answered(Method::get, {"a", "x/y"}) == "x/y");
    CHECK(answered(Method::get, {"a", ""}) == "404");
    CHECK(answered(Method::get, {"a"}) == "404");
    CHECK(answered(Method::get, {"a", "x", "b"}) == "405");
    CHECK(answered(Method::post, {"a", "x", "b"}) == "b");
    CHECK(answered(Method::post, {"a", "x"}) == "405");
}

TEST_CASE("a response is written with its length and without a body for HEAD")
{
    Sending sending;
    sending.keep_alive = true;
    sending.now = 784111777;
    Response response{200, "pong"};
    response.headers.emplace_back("X", "y");
    const std::string head = "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                             "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 4\r\n"
                             "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
                             "X: y\r\n";
    CHECK(encode(response, sending) == head + "\r\npong");
    sending.head_only = true;
    CHECK(encode(response, sending) == head + "\r\n");
    sending.keep_alive = false;
    CHECK(encode(response, sending) == head + "Connection: close\r\n\r\n");
    CHECK(refusal(404, "it is gone").body == "404 Not Found: it is gone\n");
    CHECK(encode({204}, sending).find("Content-Length") == std::string::npos);
}

TEST_CASE("a path has its methods, and whatever else is asked is told so")
{
    Router router;
    const auto answering = [](std::string_view text) {
        return [text](const Request&) { return Response{200, std::string(text)}; };
    };
    router.add(Method::get, "/a", answering("got"));
    router.add(Method::put, "/a", answering("put"));
    router.add(Method::remove, "/b/c", answering("gone"));
    const auto ask = [&router](Method method, std::vector<std::string> segments) {
        const Request asking = request(method, std::move(segments));
        const auto found = router.find(asking);
        const auto* const handler = std::get_if<const Router::Handler*>(&found);
        return handler != nullptr ? (**handler)(asking) : std::get<Response>(found);
    };
    CHECK(ask(Method::get, {"a"}).body == "got");
    CHECK(ask(Method::head, {"a"}).body == "got");
    CHECK(ask(Method::put, {"a"}).body == "put");
    CHECK(ask(Method::remove, {"b", "c"}).body == "gone");
    CHECK(ask(Method::get, {"b"}).status == 404);
    CHECK(ask(Method::get, {"a", ""}).status == 404);
    CHECK(ask(Method::get, {"a", "..", "a"}).status == 404);
    CHECK(ask(Method::get, {""}).status == 404);
    CHECK(ask(Method::unknown, {"a"}).status == 501);
    CHECK(ask(Method::trace, {"a"}).status == 405);
    const Response no_such_method = ask(Method::options, {"a"});
    CHECK(no_such_method.status == 405);
    CHECK(no_such_method.headers.at(0).first == "Allow");
    CHECK(no_such_method.headers.at(0).second == "GET, HEAD, PUT");

    Request whole_server = request(Method::options, {});
    whole_server.is_whole_server = true;
    CHECK(std::get<Response>(router.find(whole_server)).status == 204);
    const Response of_root = ask(Method::options, {""}); // what HAProxy asks unless told otherwise
    CHECK(of_root.status == 204);
    CHECK(of_root.headers.at(0).first == "Allow");
    CHECK(ask(Method::options, {"no"}).status == 404);
    router.take_options_as_get("/a");
    CHECK(ask(Method::options, {"a"}).body == "got");
    CHECK(ask(Method::trace, {"a"}).headers.at(0).second == "GET, HEAD, OPTIONS, PUT");
}

TEST_CASE("at a loopback address a request must name this machine")
{
    const Access access(Tokens(), "127.0.0.7");
    const auto from = [&access](std::string_view host) {
        Request asking = request(Method::get);
        asking.host = host;
        return asked(access, asking);
    };
    for (const auto* host :
         {"localhost", "LocalHost:1", "127.0.0.1", "127.0.0.1:80", "[::1]", "[::1]:80",
          "127.0.0.7:9057", "LOCALHOST:9057", "localhost.", "localhost.:80",
          "localhost:", "[0:0:0:0:0:0:0:1]:80", "[::ffff:127.0.0.1]", "[::FFFF:7f00:7]"})
        CHECK_MESSAGE(from(host) == 200, host);
    for (const auto* host :
         {"", ":80", "example.com", "localhost.example.com", "127.0.0.1.nip.io", "localhos",
          "[::2]", "::1", "127.0.0.8", "localhost..", ".", "[::1", "[127.0.0.1]", "localhost:80x",
          "localhost:80:80", "[::1]80", "[]", "[::ffff:10.0.0.1]", "evil.localhost"})
        CHECK_MESSAGE(from(host) == 421, host);
    Request nameless = request(Method::get); // of HTTP/1.0, which no browser speaks
    nameless.host.reset();
    CHECK(asked(access, nameless) == 200);
    Request elsewhere = request(Method::get);
    elsewhere.host = "example.com";
    CHECK(asked(Access(Tokens()), elsewhere) == 200);
}

TEST_CASE("who has the token may do everything and who has the other one may look")
{
    const TemporaryFile admin_file(std::string(admin) + "\n");
    const TemporaryFile reader_file(reader);
    ManagementOptions options;
    options.token_file = admin_file.path();
    options.read_token_file = reader_file.path();
    Access access{Tokens(options)};
    const auto with = [&access](std::string_view authorization, Method method) {
        Request asking = request(method);
        asking.authorization = authorization;
        asking.content_type = "application/json";
        return asked(access, asking);
    };
    for (const Method method : {Method::get, Method::head, Method::put, Method::remove}) {
        const bool looks = method == Method::get || method == Method::head;
        CHECK(with("Bearer " + std::string(admin), method) == 200);
        CHECK(with("bearer " + std::string(admin), method) == 200);
        CHECK(with("Bearer " + std::string(reader), method) == (looks ? 200 : 403));
        CHECK(with("", method) == 401);
        CHECK(with("Bearer ", method) == 401);
        CHECK(with(admin, method) == 401);
        CHECK(with("Basic " + std::string(admin), method) == 401);
        CHECK(with("Bearer  " + std::string(admin), method) == 401);
        CHECK(with("Bearer " + std::string(admin) + "0", method) == 401);
        CHECK(with("Bearer " + std::string(admin.substr(1)), method) == 401);
    }
    const auto refused = access.objection(request(Method::get));
    REQUIRE(refused.has_value());
    CHECK(refused->headers.at(0).first == "WWW-Authenticate");
    CHECK(refused->headers.at(0).second == "Bearer");

    admin_file.write("another token 123");
    CHECK_THROWS_AS(Tokens{options}, const std::runtime_error&);
    admin_file.write("another-token-123");
    access.change(Tokens(options));
    CHECK(with("Bearer " + std::string(admin), Method::get) == 401);
    CHECK(with("Bearer another-token-123", Method::get) == 200);
    admin_file.write(reader);
    CHECK_THROWS_WITH_AS(Tokens{options}, doctest::Contains("hold the same token"),
                         const std::runtime_error&);
}

TEST_CASE("a token that could be guessed is refused, and its text not shown")
{
    CHECK(objection_to_token(admin) == "");
    CHECK(objection_to_token(" \n0123456789abcdef\r\n") == "");
    for (const auto* wrong :
         {"", "\n", "0123456789abcde", "0123456789abcdef 0", "0123456789abcd\xc3\xa4",
          "0123456789abcdef\x01", "\"0123456789abcdef\"", "token = 0123456789abcdef",
          "0123456789abcdef\n0123456789abcdef"}) {
        const std::string objection = objection_to_token(wrong);
        CHECK(objection.starts_with("FILE: "));
        CHECK(objection.find("gen-secret") != std::string::npos);
        CHECK(objection.find("01234") == std::string::npos);
    }
    CHECK(objection_to_token(std::string(257, 'a')) != "");
}

TEST_CASE("what changes something must be JSON, which no form of a page can send unasked")
{
    const Access access{Tokens()};
    const auto of = [&access](Method method, std::string_view type, bool body) {
        Request asking = request(method);
        asking.content_type = type;
        asking.has_body = body;
        return asked(access, asking);
    };
    CHECK(of(Method::put, "application/json", true) == 200);
    CHECK(of(Method::put, "Application/JSON; charset=utf-8", true) == 200);
    CHECK(of(Method::put, "", true) == 415);
    CHECK(of(Method::put, "text/plain", true) == 415);
    CHECK(of(Method::put, "application/jsonp", true) == 415);
    CHECK(of(Method::post, "", false) == 415);
    CHECK(of(Method::remove, "", false) == 200);
    CHECK(of(Method::get, "", false) == 200);
    CHECK(of(Method::get, "text/plain", true) == 415);
}
