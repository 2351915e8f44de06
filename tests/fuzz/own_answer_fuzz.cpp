// An answer of our own to a visitor who chooses what he accepts and which host he asks for, on
// lines of their own: nothing of it becomes a header, or markup.
#include <string>

#include "remote-proxy/http/access_log.hpp"
#include "remote-proxy/http/error_pages.hpp"
#include "tests/fuzz/input.hpp"

using namespace tunnel;
using namespace tunnel::fuzz;

namespace {

std::string_view take_line(std::string_view& text)
{
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return line;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    static const ErrorPages pages;
    Input input(data, size);
    OwnAnswer answer;
    answer.status = 400u + input.choice() % 110;
    answer.message = "it is not served";
    std::string_view text = input.text();
    const std::string_view accept = take_line(text);
    const std::string_view host = take_line(text);
    answer.realm = text;

    const Response with = pages.response(answer, accept, host);
    for (const auto& [name, value] : with.headers)
        require(std::ranges::all_of(value, [](unsigned char c) { return c >= ' ' && c < 0x7f; }),
                "a header is one line");
    const Response without = pages.response(answer, accept, "");
    const auto tags = [](const std::string& body) { return std::ranges::count(body, '<'); };
    require(with.content_type == without.content_type, "the host does not choose the form");
    require(tags(with.body) <= tags(without.body) + 2, "a host is text in its own paragraph");
    require(with.body.size() < 5 * 1024, "an answer is small");
    require(path_of(host).find('?') == std::string_view::npos, "a path has no query");
    return 0;
}
