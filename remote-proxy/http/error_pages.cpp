#include "remote-proxy/http/error_pages.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "common/base/json.hpp"
#include "common/files/file_source.hpp"
#include "common/security/file.hpp"
#include "remote-proxy/http/accept.hpp"
#include "remote-proxy/http/own_page.hpp"

namespace tunnel {

namespace {

constexpr unsigned any_status = 0;
constexpr std::string_view html_type = "text/html; charset=utf-8";

// Of "404.html" 404, of "error.html" 0; nullopt: it is none of the pages. Throws if it looks like
// one and could never be shown.
std::optional<unsigned> status_of_page(const std::string& folder, std::string_view name)
{
    constexpr std::string_view ending = ".html";
    if (!name.ends_with(ending))
        return std::nullopt;
    const std::string_view stem = name.substr(0, name.size() - ending.size());
    if (stem == "error")
        return any_status;
    const bool is_number = !stem.empty() && std::ranges::all_of(stem, [](char letter) {
        return letter >= '0' && letter <= '9';
    });
    if (!is_number)
        return std::nullopt;
    unsigned status = 0;
    const auto error = std::from_chars(stem.data(), stem.data() + stem.size(), status).ec;
    if (error != std::errc() || status < 400 || status > 599)
        throw std::runtime_error(fmt::format(
            "{}/{}: it would never be shown, since no error has this number", folder, name));
    return status;
}

std::string json_of(const OwnAnswer& answer)
{
    Json json;
    json["error"]["status"] = answer.status;
    json["error"]["code"] = name_of(answer.code);
    json["error"]["message"] = answer.message;
    return to_line(json) + '\n';
}

// As a quoted string (RFC 9110 5.6.4).
std::string challenge_of(std::string_view realm)
{
    std::string quoted;
    for (const char letter : realm) {
        if (letter == '"' || letter == '\\')
            quoted += '\\';
        if (letter >= ' ' && letter < 127)
            quoted += letter;
    }
    return fmt::format("Basic realm=\"{}\", charset=\"UTF-8\"", quoted);
}

} // namespace

ErrorPages ErrorPages::read(const std::string& folder)
{
    ErrorPages pages;
    for (const std::string& name : files().names_in(folder)) {
        if (const auto status = status_of_page(folder, name)) {
            const PrivateText text = read_file(fmt::format("{}/{}", folder, name), largest_page);
            pages.pages_.emplace(*status, text.view());
        }
    }
    if (pages.pages_.empty())
        throw std::runtime_error(fmt::format(
            "{}: there is no page in it, such as 404.html, 502.html or error.html", folder));
    return pages;
}

Response ErrorPages::response(const OwnAnswer& answer, std::string_view accept,
                              std::string_view host) const
{
    Response response = refusal(answer.status, answer.message);
    switch (preferred_form(accept)) {
    case AnswerForm::html: {
        auto page = pages_.find(answer.status);
        if (page == pages_.end())
            page = pages_.find(any_status);
        response.content_type = html_type;
        if (page != pages_.end()) {
            response.body = page->second;
        } else {
            response.body = own_page(answer, host);
            response.headers.emplace_back("Content-Security-Policy", own_page_policy);
        }
        break;
    }
    case AnswerForm::json:
        response.content_type = "application/json";
        response.body = json_of(answer);
        break;
    case AnswerForm::text:
        break;
    }
    if (answer.retry_after > std::chrono::seconds(0))
        response.headers.emplace_back("Retry-After", fmt::to_string(answer.retry_after.count()));
    if (answer.status == 401)
        response.headers.emplace_back("WWW-Authenticate", challenge_of(answer.realm));
    return response;
}

} // namespace tunnel
