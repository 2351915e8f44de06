#include <doctest/doctest.h>

#include <random>
#include <string>

#include "remote-proxy/http/accept.hpp"

using namespace tunnel;

namespace {

constexpr auto html = AnswerForm::html;
constexpr auto json = AnswerForm::json;
constexpr auto text = AnswerForm::text;

} // namespace

TEST_CASE("browsers get a page where they show one")
{
    CHECK(preferred_form(
              "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,"
              "image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7") == html);
    CHECK(preferred_form("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8") ==
          html);
    CHECK(preferred_form("text/*") == html);
    CHECK(preferred_form("TEXT/HTML ; charset=utf-8 ; q=0.5, text/plain;q=0.4") == html);
    // An image, a style, a script, or fetch().
    CHECK(preferred_form("image/avif,image/webp,*/*;q=0.8") == text);
    CHECK(preferred_form("text/css,*/*;q=0.1") == text);
    CHECK(preferred_form("*/*") == text);
}

TEST_CASE("programs get JSON if they prefer it, and else text")
{
    CHECK(preferred_form("application/json") == json);
    CHECK(preferred_form("application/json, text/plain, */*") == json); // axios
    CHECK(preferred_form("application/json;q=0.9, text/plain") == text);
    CHECK(preferred_form("application/vnd.github+json") == json);
    CHECK(preferred_form("application/problem+json, text/html;q=0.9") == json);
    CHECK(preferred_form("application/*") == json);
    CHECK(preferred_form("") == text);
    CHECK(preferred_form("text/event-stream") == text);
    CHECK(preferred_form("image/png") == text);
}

TEST_CASE("the most specific range of a form counts, and what is not wanted is not given")
{
    CHECK(preferred_form("text/*;q=0.9, text/html;q=0.1, application/json;q=0.5") == text);
    CHECK(preferred_form("text/html;q=0, application/json;q=0.1, */*;q=0.05") == json);
    CHECK(preferred_form("text/html;q=0.000, text/plain;q=0") == text);
    CHECK(preferred_form("application/json;q=0.1, text/html;q=0.2, */*") == text);
    CHECK(preferred_form("*/*, text/html;q=0.5") == text);
    CHECK(preferred_form("text/html;level=1;q=0.3, text/plain;q=0.2") == html);
}

TEST_CASE("what is malformed counts for little and does no harm")
{
    for (const char* accept : {",", ";", ";;,,;q", "q=1", "text", "text/", "/html", "*", "*/html",
                               "text/html;q=", "text/html;q=x", "text/html;q=-1", "text/html;q=1,5",
                               "text/html;q=0.1234", "text/html;q=2", "text/html;q=.5", "\xff\xfe"})
        CHECK_MESSAGE((preferred_form(accept) == text || preferred_form(accept) == html), accept);
    CHECK(preferred_form("text/html;q=x, application/json;q=0.001") == json);
    CHECK(preferred_form("text/html;q=1.9, text/plain") == html); // at most 1
    std::mt19937 random(1);
    constexpr std::string_view letters = "texhmljsonapi/*;,q=01. \t+";
    for (int i = 0; i < 20'000; ++i) {
        std::string accept;
        for (auto size = random() % 40; size > 0; --size)
            accept += letters[random() % letters.size()];
        (void)preferred_form(accept);
    }
}
