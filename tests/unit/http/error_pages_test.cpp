#include <doctest/doctest.h>

#include <stdexcept>

#include "common/base/json.hpp"
#include "remote-proxy/http/error_pages.hpp"
#include "remote-proxy/http/own_page.hpp"
#include "tests/support/temporary_folder.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

constexpr const char* browser = "text/html,*/*;q=0.8";

OwnAnswer refused_by_server()
{
    return {502, Code::origin_server_refused, "the server of this site refused the connection"};
}

std::string header(const Response& response, std::string_view name)
{
    std::string value;
    for (const auto& each : response.headers) {
        if (each.first == name)
            value += each.second;
    }
    return value;
}

std::string refused(const TemporaryFolder& folder)
{
    try {
        (void)ErrorPages::read(folder.path());
    } catch (const std::runtime_error& error) {
        return error.what();
    }
    return "";
}

bool has(const std::string& text, std::string_view part)
{
    return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("an answer of our own is a page, JSON or text, as the visitor prefers")
{
    const ErrorPages pages;
    const Response page = pages.response(refused_by_server(), browser, "app.example.com");
    CHECK(page.status == 502);
    CHECK(page.content_type == "text/html; charset=utf-8");
    CHECK(has(page.body, "<title>502 Bad Gateway</title>"));
    CHECK(has(page.body, "<h1>The server of this site refused the connection.</h1>"));
    CHECK(has(page.body, "app.example.com"));
    CHECK(header(page, "Content-Security-Policy") == own_page_policy);

    const Response json = pages.response(refused_by_server(), "application/json", "x");
    CHECK(json.content_type == "application/json");
    CHECK(json.body == "{\"error\":{\"status\":502,\"code\":\"origin_server_refused\",\"message\":"
                       "\"the server of this site refused the connection\"}}\n");
    CHECK(json.headers.empty());

    const Response text = pages.response(refused_by_server(), "*/*", "x");
    CHECK(text.content_type == "text/plain; charset=utf-8");
    CHECK(text.body == "502 Bad Gateway: the server of this site refused the connection\n");
    CHECK(text.headers.empty());
}

TEST_CASE("an answer says when to come again, and what a login is for")
{
    const ErrorPages pages;
    for (const char* accept : {browser, "application/json", ""}) {
        OwnAnswer busy = logins_are_busy();
        CHECK(header(pages.response(busy, accept, ""), "Retry-After") == "1");
        const Response many = pages.response(too_many_wrong_logins(3s), accept, "");
        CHECK(many.status == 429);
        CHECK(header(many, "Retry-After") == "3");
        const Response login = pages.response(login_required("my \"web\"\\\r\nX: y"), accept, "");
        CHECK(login.status == 401);
        CHECK(header(login, "WWW-Authenticate") ==
              "Basic realm=\"my \\\"web\\\"\\\\X: y\", charset=\"UTF-8\"");
        CHECK(header(login, "Retry-After").empty());
    }
}

TEST_CASE("an answer is what a client of HTTP understands")
{
    const std::string bytes =
        encode(ErrorPages().response(login_required("web"), "", ""), {.keep_alive = true});
    CHECK(bytes.starts_with("HTTP/1.1 401 Unauthorized\r\n"));
    CHECK(has(bytes, "\r\nCache-Control: no-store\r\n"));
    CHECK(has(bytes, "\r\nWWW-Authenticate: Basic realm=\"web\", charset=\"UTF-8\"\r\n"));
    CHECK(has(encode(refusal(429, "x"), {}), "HTTP/1.1 429 Too Many Requests\r\n"));
    CHECK(has(encode(refusal(502, "x"), {}), "HTTP/1.1 502 Bad Gateway\r\n"));
    CHECK(has(encode(refusal(504, "x"), {}), "HTTP/1.1 504 Gateway Timeout\r\n"));
}

TEST_CASE("our page is small, whatever it says, and nothing of a stranger is markup in it")
{
    const std::string host = "<script>alert('\"&\")</script>\r\n\xc3\xb6" + std::string(5000, '<');
    for (unsigned status = 400; status < 600; ++status) {
        const OwnAnswer answer{status, Code::origin_server_unreachable,
                               "<b>&" + std::string(5000, '>')};
        const std::string usual = own_page(
            {status, Code::origin_server_unreachable, "the server of this site does not answer"},
            "some-quite-long-name.of-a-site.tunnel.example.com");
        CHECK(usual.size() <= 3 * 1024);
        CHECK(has(usual, "What you can do"));
        const std::string page = own_page(answer, host);
        CHECK(page.size() <= 5 * 1024);
        CHECK_FALSE(has(page, "<script"));
        CHECK_FALSE(has(page, "<b>"));
        CHECK_FALSE(has(page, "\r"));
        CHECK(has(page, "&lt;script&gt;alert(&#39;&quot;&amp;&quot;)&lt;/script&gt;??"));
        if (has(page, "://") || has(page, "url(") || has(page, "src="))
            FAIL("it loads something");
    }
}

TEST_CASE("a page without a host has none")
{
    const std::string page = own_page(refused_by_server(), "");
    CHECK(has(page, "connection.</h1>\n<h2>What you can do</h2>"));
    CHECK(has(page, "<footer>origin_server_refused</footer>"));
}

TEST_CASE("pages of the user stand in for ours, the one for a status before the one for all")
{
    const TemporaryFolder folder;
    folder.write("404.html", "\xEF\xBB\xBFnot ${here}");
    folder.write("error.html", "something");
    folder.write("style.css", "not read");
    folder.write("index.html", "not read");
    const ErrorPages pages = ErrorPages::read(folder.path());
    const OwnAnswer unknown{404, Code::unknown_host, "no server has this name here"};
    CHECK(pages.response(unknown, browser, "x").body == "not ${here}");
    CHECK(pages.response(unknown, browser, "x").content_type == "text/html; charset=utf-8");
    CHECK(header(pages.response(unknown, browser, "x"), "Content-Security-Policy").empty());
    CHECK(pages.response(refused_by_server(), browser, "x").body == "something");
    CHECK(pages.response(refused_by_server(), "*/*", "x").body.starts_with("502 Bad Gateway: "));
    CHECK(header(pages.response(login_required("a"), browser, ""), "WWW-Authenticate") != "");
}

TEST_CASE("without a page for all statuses the others are ours")
{
    const TemporaryFolder folder;
    folder.write("404.html", "not here");
    const ErrorPages pages = ErrorPages::read(folder.path());
    CHECK(has(pages.response(refused_by_server(), browser, "").body, "What you can do"));
}

TEST_CASE("pages that cannot be read, or could never be shown, are refused by name")
{
    const TemporaryFolder folder;
    CHECK(has(refused(folder), folder.path() + ": there is no page"));
    folder.write("200.html", "all is well");
    CHECK(has(refused(folder), folder / "200.html" + ": it would never be shown"));
    std::filesystem::remove(folder / "200.html");
    folder.write("4040.html", "");
    CHECK(has(refused(folder), folder / "4040.html"));
    std::filesystem::remove(folder / "4040.html");
    folder.write("99999999999999999999.html", "");
    CHECK(has(refused(folder), "99999999999999999999.html"));
    std::filesystem::remove(folder / "99999999999999999999.html");
    folder.write("502.html", std::string(ErrorPages::largest_page, 'x'));
    CHECK(refused(folder) == "");
    folder.write("502.html", std::string(ErrorPages::largest_page + 1, 'x'));
    CHECK(has(refused(folder), folder / "502.html"));
    std::filesystem::remove(folder / "502.html");
    std::filesystem::create_directory(folder / "502.html");
    CHECK(has(refused(folder), folder / "502.html"));
}

TEST_CASE("a folder that is not there is refused by name")
{
    CHECK_THROWS_WITH((void)ErrorPages::read("/nowhere/pages"),
                      "/nowhere/pages: there is no page in it, such as 404.html, 502.html or "
                      "error.html");
}
