// Requests to the HTTP address: an answer does not depend on where the bytes were cut, sends nobody
// anywhere but to the name that was found, and is one answer whatever the request holds.
#include <algorithm>

#include "remote-proxy/fronts/http_answer.hpp"
#include "tests/fuzz/input.hpp"

using namespace tunnel;
using namespace tunnel::fuzz;
using Progress = RequestReader::Progress;

namespace {

constexpr std::string_view known = "app.example.com";

RequestReader::Limits heads()
{
    RequestReader::Limits limits{512, 8, 0};
    limits.heads_only = true;
    return limits;
}

bool is_over(const RequestReader& reader)
{
    return reader.progress() != Progress::none && reader.progress() != Progress::head;
}

HttpAnswer answer_of(const RequestReader& reader, char first)
{
    static const FindHost find = [](std::string_view host) {
        require(host.find_first_of(":/@ \r\n") == std::string_view::npos && !host.ends_with('.'),
                "only a canonical name is looked for");
        return HostKnown{host == known ? HostKnown::By::https : HostKnown::By::nobody};
    };
    if (reader.progress() == Progress::wrong)
        return answer_to(reader.problem(), first);
    return answer_to(reader.request(), {find, 8443, true});
}

void check(const HttpAnswer& answer, const Request& request)
{
    for (const auto& [name, value] : answer.response.headers) {
        if (name != "Location")
            continue;
        require(answer.response.status == 308, "only a redirect says where");
        require(value == "https://" + std::string(known) + ":8443" + request.target,
                "it is to the name that was found, and what was asked for there");
        require(std::ranges::all_of(value, [](char c) { return c > ' ' && c < '\x7f'; }),
                "it is one word");
    }
    require(answer.token.empty() || is_acme_token(answer.token), "a token is a name in a folder");
    require(!answer.token.empty() || answer.response.status >= 300, "nothing else is here");
    const std::string bytes = encode(answer.response, Sending());
    require(bytes.substr(bytes.find("\r\n\r\n") + 4) == answer.response.body,
            "an answer has one head");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    Pieces pieces{Input(data, size)};
    RequestReader whole(heads());
    RequestReader cut(heads());
    const char first = pieces.rest().empty() ? '\0' : pieces.rest().front();
    whole.put(pieces.rest());
    for (;;) {
        while (!is_over(cut)) {
            const std::string_view piece = pieces.next();
            if (piece.empty())
                break;
            cut.put(piece);
        }
        require(whole.progress() == cut.progress(), "where bytes are cut does not matter");
        if (!is_over(whole))
            return 0;
        const HttpAnswer answer = answer_of(whole, first);
        require(answer.response.status == answer_of(cut, first).response.status,
                "the answer is the same however a request comes");
        check(answer, whole.request());
        require(whole.request().body.empty() && whole.request().segments.empty(),
                "nothing but the head is read");
        if (whole.progress() != Progress::whole)
            return 0;
        whole.next();
        cut.next();
    }
}
